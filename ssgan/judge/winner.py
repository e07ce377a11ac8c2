"""`gate.serve: winner`: a baseline that beat the SSGAN becomes an artefact of the same format, with the same answers.

The graph holds both: the baseline says `task`, the SSGAN's discriminator goes on saying how real a row is, for no
baseline can. Its own answer stays in the graph as `discriminator_task`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.config import read_params
from ssgan.errors import SsganError
from ssgan.judge.answers import answers_of, calibrated
from ssgan.judge.calibrate import fit, named, read_folds
from ssgan.judge.methods import SPREADING, Task, methods, predict
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Prepared
from ssgan.judge.words import title
from ssgan.learn.artefact import ALONE, CALIBRATION, Artefact, open_session, write_checksums
from ssgan.learn.prepare import is_labelled
from ssgan.project import Project
from ssgan.records import RunRecord

LEAST = 1e-12  # a probability, before its logarithm
PREFIX = "baseline_"


def package_baseline(
    project: Project, prepared: Prepared, name: str, trained: Artefact, answers: Array
) -> tuple[Artefact, Array]:
    """Trains a baseline on all labelled rows and writes it to `models/winner`.

    Args:
        project: one that has been evaluated.
        prepared: its rows.
        name: of the baseline.
        trained: the SSGAN's artefact, which is taken as the frame.
        answers: of the baseline about the judged rows, as it was evaluated.

    Returns:
        The artefact, and the same answers calibrated.

    Raises:
        SsganError: if the baseline cannot be written as ONNX, or answers otherwise there.
    """
    params = read_params(project.params)
    classes = len(prepared.contract.classes)
    x = np.asarray(prepared.x.reshape(len(prepared.x), -1), np.float64)
    if name == SPREADING:
        raise SsganError(
            f"{title(name)} has won, but it answers by the graph of its training rows, which cannot be packaged; set "
            "gate.serve to ssgan"
        )
    with np.load(trained.folder / "probe.npz", allow_pickle=False) as stored:
        probe = stored["x"]
    flat = np.asarray(probe.reshape(len(probe), -1), np.float64)
    task = Task(x, prepared.y, is_labelled(prepared.y), flat, classes, params.baselines)
    model = methods(classes, params.baselines.more)[name](task)
    fresh = project.winner.with_name(".winner.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(trained.folder, fresh)
    _write_graph(fresh / "model.onnx", name, model, x.shape[1], classes, trained)
    parity = _write_probe(fresh, probe, predict(model, task), trained)
    run = RunRecord.read(fresh / "run.json")
    run.model_copy(update={"parity": parity, "knobs": {**run.knobs, "baseline": name}}).write(fresh / "run.json")
    said = _calibrate(project, prepared, trained, answers, fresh)
    write_checksums(fresh)
    shutil.rmtree(project.winner, ignore_errors=True)
    fresh.rename(project.winner)
    return Artefact.load(project.winner), said


def _calibrate(project: Project, prepared: Prepared, trained: Artefact, answers: Array, folder: Path) -> Array:
    """Writes the calibration of the baseline's answers; they are out of fold only with crossfit."""
    knobs, classes = read_params(project.params).calibrate, len(prepared.contract.classes)
    task = _raw(answers, trained) if prepared.crossfit else None
    unit = None if task is None else (task if classes else answers[:, None])
    fitted = named(fit(unit, prepared.truth, classes, None, knobs), prepared.contract.classes)
    fitted.model_copy(update={"fake_limit": trained.calibration.fake_limit}).write(folder / CALIBRATION)
    if task is None:
        return answers
    folds = read_folds(project)
    outputs = task, folds["ssgan_realness"]
    return answers_of(calibrated(trained, outputs, prepared.truth, folds["fold"], None, knobs))


def _raw(answers: Array, trained: Artefact) -> Array:
    """Answers in the form of a graph's `task`: log-probabilities [m, K], or standardised values [m, 1]."""
    if answers.ndim == 2:
        return np.log(np.maximum(answers, LEAST))
    mean, scale = (float(trained.metadata[f"value_{each}"]) for each in ("mean", "scale"))
    return ((answers - mean) / scale)[:, None]


def _write_graph(path: Path, name: str, model: Any, width: int, classes: int, trained: Artefact) -> None:
    """The trained graph with the baseline's answer in the place of its own."""
    import onnx
    from onnx import TensorProto, compose, helper

    whole = onnx.load(path)
    opsets = {each.domain: each.version for each in whole.opset_import}
    theirs = compose.add_prefix(_converted(name, model, width, opsets), PREFIX)
    _give_up_task(whole.graph, trained.committee)
    pieces = _Pieces()
    pieces.node("Flatten", "x", output=f"{PREFIX}X", axis=1)
    pieces.nodes.extend(theirs.graph.node)
    if classes:
        _log_probabilities(pieces, np.asarray(model.classes_, np.int64), classes)
    else:
        mean, scale = (float(trained.metadata[f"value_{each}"]) for each in ("mean", "scale"))
        centred = pieces.node("Sub", f"{PREFIX}variable", pieces.constant(np.float32(mean)))
        pieces.node("Div", centred, pieces.constant(np.float32(scale)), output="task")
    whole.graph.node.extend(pieces.nodes)
    whole.graph.initializer.extend([*theirs.graph.initializer, *pieces.constants])
    whole.graph.output.append(helper.make_tensor_value_info("task", TensorProto.FLOAT, ["rows", classes or 1]))
    for each in theirs.opset_import:
        if each.domain not in opsets:
            whole.opset_import.append(helper.make_opsetid(each.domain, each.version))
            opsets[each.domain] = each.version
    onnx.checker.check_model(whole)
    path.write_bytes(whole.SerializeToString(deterministic=True))


class _Pieces:
    """Nodes and constants that are added to a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output, and returns its name."""
        from onnx import helper

        output = output or f"{PREFIX}value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any) -> str:
        """Adds a constant, and returns its name."""
        from onnx import numpy_helper

        name = f"{PREFIX}constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _give_up_task(graph: Any, committee: bool) -> None:
    """Renames the graph's own `task`: the discriminator's stays an output, a committee's does not."""
    name = "committee_task" if committee else ALONE
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if each == "task" else each for each in names]
    (own,) = (each for each in graph.output if each.name == "task")
    own.name = name
    if committee:
        graph.output.remove(own)


def _log_probabilities(pieces: _Pieces, seen: Array, classes: int) -> None:
    """`task` of a classifier: the logarithms of its probabilities, classes that it has not seen having next to none.

    A row of the identity per class that was seen: their product with the probabilities puts each in its place.
    """
    spread = np.eye(classes, dtype=np.float32)[seen]
    shares = pieces.node("MatMul", f"{PREFIX}probabilities", pieces.constant(spread))
    pieces.node("Log", pieces.node("Max", shares, pieces.constant(np.float32(LEAST))), output="task")


def _converted(name: str, model: Any, width: int, opsets: dict[str, int]) -> Any:
    """A scikit-learn model as ONNX: X [n, width] -> probabilities [n, seen classes], or variable [n, 1]."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.semi_supervised import SelfTrainingClassifier

    model = model.estimator_ if isinstance(model, SelfTrainingClassifier) else model
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    target = {"": opsets[""], "ai.onnx.ml": opsets.get("ai.onnx.ml", 3)}
    try:
        with _plain_attributes():
            return skl2onnx.convert_sklearn(
                model, initial_types=[("X", FloatTensorType([None, width]))], options=options, target_opset=target
            )
    except Exception as error:  # its errors share no base but this
        raise SsganError(
            f"{title(name)} has won, but it cannot be written as ONNX ({str(error)[:200]}); set gate.serve to ssgan"
        ) from None


@contextlib.contextmanager
def _plain_attributes() -> Iterator[None]:
    """Gives ONNX plain numbers: skl2onnx 1.x passes numpy's and bools, which ONNX takes no more."""
    from skl2onnx.common import _container

    before = _container.make_node

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return plain(value.tolist())
        if isinstance(value, (list, tuple)):
            return [plain(each) for each in value]
        if isinstance(value, (bool, np.bool_)):
            return int(value)
        return value.item() if isinstance(value, np.generic) else value

    def node(*about: Any, **attributes: Any) -> Any:
        return before(*about, **{name: plain(value) for name, value in attributes.items()})

    _container.make_node = node
    try:
        yield
    finally:
        _container.make_node = before


def _write_probe(folder: Path, probe: Array, said: Array, trained: Artefact) -> float:
    """Stores what the new graph answers to the probe rows, and returns how far that is from scikit-learn's answer."""
    session = open_session(folder / "model.onnx")
    present = {output.name for output in session.get_outputs()}
    outputs = [each for each in ("task", "realness", ALONE) if each in present]
    got = dict(zip(outputs, session.run(outputs, {"x": probe}), strict=True))
    with (folder / "probe.npz").open("wb") as handle:
        np.savez(handle, x=probe, **got)
    if said.ndim == 2:
        return float(np.abs(np.exp(got["task"]) - said).max())
    return float(np.abs(got["task"] - _raw(said, trained)).max())
