"""A baseline in the place of the SSGAN's own answer: one ONNX graph that answers as scikit-learn does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.errors import SsganError
from ssgan.judge.metrics import Array, Floats
from ssgan.judge.words import title
from ssgan.learn.artefact import ALONE, Artefact
from ssgan.learn.committee import teacher_graph
from ssgan.learn.teacher import Teacher

LEAST = 1e-12  # a probability, before its logarithm
PREFIX = "baseline_"


def write_graph(path: Path, name: str, model: Any, width: int, shares: Floats, trained: Artefact) -> None:
    """The trained graph with the baseline's answer in the place of its own.

    Args:
        path: of the trained graph, which is changed.
        name: of the baseline.
        model: fitted, scikit-learn's or a teacher.
        width: of an encoded row.
        shares: of the classes among the labelled rows, [K], for rows that the model says nothing of; [0] for values.
        trained: where the graph comes from.

    Raises:
        SsganError: if the baseline cannot be written as ONNX.
    """
    import onnx
    from onnx import TensorProto, compose, helper

    classes = len(shares)
    whole = onnx.load(path)
    opsets = {each.domain: each.version for each in whole.opset_import}
    theirs = compose.add_prefix(_converted(name, model, width, opsets), PREFIX)
    _give_up_task(whole.graph, trained.committee)
    pieces = _Pieces()
    pieces.node("Flatten", "x", output=f"{PREFIX}X", axis=1)
    pieces.nodes.extend(theirs.graph.node)
    if hasattr(model, "label_distributions_"):
        _normalise(pieces, shares[model.classes_])
    if classes:
        seen = np.arange(classes) if isinstance(model, Teacher) else np.asarray(model.classes_, np.int64)
        _log_probabilities(pieces, seen, classes)
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


def _normalise(pieces: _Pieces, shares: Floats) -> None:
    """`probabilities` of label spreading: what reached a row's neighbours, or the shares where nothing did."""
    little = pieces.node("Add", f"{PREFIX}variable", pieces.constant((LEAST * shares).astype(np.float32)))
    whole = pieces.node("ReduceSum", little, pieces.constant(np.array([1], np.int64)), keepdims=1)
    pieces.node("Div", little, whole, output=f"{PREFIX}probabilities")


def _converted(name: str, model: Any, width: int, opsets: dict[str, int]) -> Any:
    """A model as ONNX: X [n, width] -> probabilities [n, seen classes], or variable [n, 1]."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

    if isinstance(model, Teacher):
        return teacher_graph(model, width, opsets[""])
    if isinstance(model, SelfTrainingClassifier):
        model = model.estimator_
    if isinstance(model, LabelSpreading):
        model = _spread(model)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    target = {"": opsets[""], "ai.onnx.ml": opsets.get("ai.onnx.ml", 3)}
    try:
        with _plain_attributes():
            return skl2onnx.convert_sklearn(
                model, initial_types=[("X", FloatTensorType([None, width]))], options=options, target_opset=target
            )
    except Exception as error:  # its errors share no base but this
        why = " ".join(str(error).split())[:200]
        raise SsganError(
            f"{title(name)} has won, but it cannot be written as ONNX ({why}); set gate.serve to ssgan"
        ) from None


def _spread(model: Any) -> Any:
    """How label spreading answers new rows: the mean of what reached their neighbours among the rows of its graph."""
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(model.n_neighbors).fit(model.X_, model.label_distributions_)


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
