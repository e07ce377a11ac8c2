"""A baseline in the place of the SSGAN's own answer: one ONNX graph that answers as scikit-learn does."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.errors import SsganError
from ssgan.judge.methods import CLASSIFIERS, REGRESSORS
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
        SsganError: if the baseline cannot be written as ONNX; whether it answers alike there is not looked at.
    """
    import onnx

    try:
        whole = _joined(onnx.load(path), model, width, shares, trained)
        onnx.checker.check_model(whole)
    except Exception as error:  # of the conversion and of the checker, which share no base but this
        raise refusal(name, f"it cannot be written as ONNX ({first_words(error)})") from None
    path.write_bytes(whole.SerializeToString(deterministic=True))


def refusal(name: str, fault: str) -> SsganError:
    """Why a baseline that has won is not served, and what to do about it."""
    theirs = name not in CLASSIFIERS and name not in REGRESSORS
    otherwise = ", or take it out of baselines.more" if theirs else ""
    return SsganError(f"{title(name)} has won, but {fault}; set gate.serve to ssgan{otherwise}")


def first_words(error: Exception) -> str:
    """The beginning of a tool's error, on one line."""
    return " ".join(str(error).split())[:200]


def _joined(whole: Any, model: Any, width: int, shares: Floats, trained: Artefact) -> Any:
    """The trained graph, which is changed, with the baseline's nodes and `task`."""
    from onnx import TensorProto, compose, helper

    classes = len(shares)
    opsets = {each.domain: each.version for each in whole.opset_import}
    theirs = compose.add_prefix(_converted(model, width, classes, opsets), PREFIX)
    _give_up_task(whole.graph, trained.committee)
    pieces = _Pieces()
    pieces.node("Flatten", "x", output=f"{PREFIX}X", axis=1)
    pieces.nodes.extend(theirs.graph.node)
    said = [each.name for each in theirs.graph.output]
    if classes:
        _log_probabilities(pieces, *_probabilities(pieces, said, model, shares), classes)
    else:
        mean, scale = (float(trained.metadata[f"value_{each}"]) for each in ("mean", "scale"))
        centred = pieces.node("Sub", said[0], pieces.constant(np.float32(mean)))
        pieces.node("Div", centred, pieces.constant(np.float32(scale)), output="task")
    whole.graph.node.extend(pieces.nodes)
    whole.graph.initializer.extend([*theirs.graph.initializer, *pieces.constants])
    whole.graph.output.append(helper.make_tensor_value_info("task", TensorProto.FLOAT, ["rows", classes or 1]))
    for each in theirs.opset_import:
        if each.domain not in opsets:
            whole.opset_import.append(helper.make_opsetid(each.domain, each.version))
            opsets[each.domain] = each.version
    return whole


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


def _probabilities(pieces: _Pieces, said: list[str], model: Any, shares: Floats) -> tuple[str, Array]:
    """Where the probabilities of a classifier are, and of which classes: as `methods.predict` takes them.

    Args:
        pieces: to which is added what it takes.
        said: the outputs of the converted model.
        model: fitted.
        shares: of the classes.
    """
    if isinstance(model, Teacher):
        return said[0], np.arange(len(shares))
    if _answers_surely(model):
        return _one_hot(pieces, said[0], len(shares)), np.arange(len(shares))
    seen = np.asarray(model.classes_, np.int64)
    if hasattr(model, "label_distributions_"):
        return _normalise(pieces, said[0], shares[seen]), seen
    return said[-1], seen  # the first is the label


def _answers_surely(model: Any) -> bool:
    """Whether a classifier names a class and says nothing of probabilities."""
    return not isinstance(model, Teacher) and not hasattr(model, "predict_proba")


def _one_hot(pieces: _Pieces, label: str, classes: int) -> str:
    """Probability 1 for the class that is named.

    What skl2onnx calls the probabilities of such a model are decision scores, of one column where there are two
    classes: nobody was judged by them.
    """
    row = pieces.node("Reshape", label, pieces.constant(np.array([-1], np.int64)))
    count, off_on = pieces.constant(np.int64(classes)), pieces.constant(np.array([0, 1], np.float32))
    return pieces.node("OneHot", row, count, off_on, axis=1)


def _log_probabilities(pieces: _Pieces, probabilities: str, seen: Array, classes: int) -> None:
    """`task` of a classifier: the logarithms of its probabilities, classes that it has not seen having next to none.

    A row of the identity per class that was seen: their product with the probabilities puts each in its place.
    """
    spread = np.eye(classes, dtype=np.float32)[seen]
    shares = pieces.node("MatMul", probabilities, pieces.constant(spread))
    pieces.node("Log", pieces.node("Max", shares, pieces.constant(np.float32(LEAST))), output="task")


def _normalise(pieces: _Pieces, reached: str, shares: Floats) -> str:
    """The probabilities of label spreading: what reached a row's neighbours, or the shares where nothing did."""
    little = pieces.node("Add", reached, pieces.constant((LEAST * shares).astype(np.float32)))
    whole = pieces.node("ReduceSum", little, pieces.constant(np.array([1], np.int64)), keepdims=1)
    return pieces.node("Div", little, whole, output=f"{PREFIX}probabilities")


def _converted(model: Any, width: int, classes: int, opsets: dict[str, int]) -> Any:
    """A model as ONNX: X [n, width] -> values [n, 1], or label [n] and probabilities [n, seen classes], or one of them.

    Raises:
        Exception: of any kind, if skl2onnx cannot.
    """
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
    from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

    if isinstance(model, Teacher):
        return teacher_graph(model, width, opsets[""])
    if isinstance(model, SelfTrainingClassifier):
        model = model.estimator_
    named_alone = classes > 0 and _answers_surely(model)
    if isinstance(model, LabelSpreading):
        model = _spread(model)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    target = {"": opsets[""], "ai.onnx.ml": opsets.get("ai.onnx.ml", 3)}
    with _plain_attributes(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between skl2onnx and scikit-learn: it reads what will go
        whole = skl2onnx.convert_sklearn(
            model, initial_types=[("X", FloatTensorType([None, width]))], options=options, target_opset=target
        )
    if named_alone:  # the scores' nodes are dropped: some would not run
        return select_model_inputs_outputs(whole, outputs=[whole.graph.output[0].name])
    return whole


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
