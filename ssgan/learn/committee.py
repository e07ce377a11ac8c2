"""The committee: the mean of the discriminator's answer and that of the labelled rows' teacher, as one ONNX graph.

    classes: p = (p_D + p_teacher) / 2
    values:  v = (v_D + v_teacher) / 2

The graph's `task` is the committee's answer, in the form of the discriminator's (log-probabilities, or the standardised
value), so that a reader need not know which of the two it asks; `discriminator_task` is the discriminator's alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssgan.learn.artefact import ALONE
from ssgan.learn.teacher import Member, Teacher

LEAST = 1e-30  # a probability, before its logarithm


@dataclass(frozen=True)
class Committee:
    """What joins the discriminator."""

    teacher: Teacher

    def task(self, task: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The discriminator's float32 task [n, K] or [n, 1] and the encoded rows it is about -> the committee's."""
        theirs = self.teacher.answers(x)
        if self.teacher.width == 1:
            return np.asarray((task + theirs) / 2, np.float32)
        raised = np.exp(task.astype(np.float64) - task.max(axis=1, keepdims=True))
        both = (raised / raised.sum(axis=1, keepdims=True) + theirs) / 2
        return np.asarray(np.log(np.maximum(both, LEAST)), np.float32)


def join(model: Any, committee: Committee) -> Any:
    """An exported discriminator (x -> task, realness) with the committee added: one more output, `discriminator_task`.

    Args:
        model: onnx.ModelProto; it is changed.
        committee: whose teacher's members are those of `plain.py`.
    """
    from onnx import helper

    graph = model.graph
    for node in graph.node:
        node.input[:] = [ALONE if name == "task" else name for name in node.input]
        node.output[:] = [ALONE if name == "task" else name for name in node.output]
    (task,) = (output for output in graph.output if output.name == "task")
    alone = type(task)()
    alone.CopyFrom(task)
    alone.name = ALONE
    graph.output.append(alone)

    nodes = _Nodes()
    rows = nodes.add("Flatten", "x", axis=1)
    theirs = _members(nodes, committee.teacher, rows)
    if committee.teacher.width == 1:
        nodes.add("Mul", nodes.add("Add", ALONE, theirs), nodes.constant(0.5), output="task")
    else:
        both = nodes.add("Add", nodes.add("Softmax", ALONE, axis=1), theirs)
        both = nodes.add("Mul", both, nodes.constant(0.5))
        nodes.add("Log", nodes.add("Max", both, nodes.constant(LEAST)), output="task")
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    if "ai.onnx.ml" not in [each.domain for each in model.opset_import]:
        model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return model


def teacher_graph(teacher: Teacher, width: int, opset: int) -> Any:
    """The teacher by itself, as skl2onnx writes a model: X [n, width] -> probabilities [n, K], or variable [n, 1]."""
    from onnx import TensorProto, helper

    nodes, name = _Nodes(), "variable" if teacher.width == 1 else "probabilities"
    nodes.add("Identity", _members(nodes, teacher, "X"), output=name)
    rows = helper.make_tensor_value_info("X", TensorProto.FLOAT, ["rows", width])
    said = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", teacher.width])
    graph = helper.make_graph(nodes.nodes, "teacher", [rows], [said], nodes.constants)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets)


@dataclass
class _Nodes:
    """Nodes and constants under names of their own."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"c{len(self.nodes)}"
        name = f"committee{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=name, domain=domain, **attributes))
        return output

    def constant(self, value: Any, kind: type = np.float32) -> str:
        from onnx import numpy_helper

        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name


def _members(nodes: _Nodes, teacher: Teacher, rows: str) -> str:
    """The weighted sum of the members' answers and the constant, [n, width]."""
    forests = [member for member in teacher.members if hasattr(member.model, "estimators_")]
    parts = [_ensemble(nodes, _trees_of(forests, teacher.width), teacher.width, rows)] if forests else []
    for member in teacher.members:
        if hasattr(member.model, "_predictors"):
            parts.append(_boosted(nodes, member, teacher.width, rows))
        elif hasattr(member.model, "classes_") and hasattr(member.model, "coef_"):
            parts.append(_logistic(nodes, member, teacher.width, rows))
        elif hasattr(member.model, "coef_"):
            parts.append(_ridge(nodes, member, rows))
        elif not hasattr(member.model, "estimators_"):
            parts.append(_gaussian_process(nodes, member, rows))
    if teacher.width == 1:  # a constant alone still has a row for each row
        nothing = nodes.add("Mul", rows, nodes.constant(0.0))
        nothing = nodes.add("ReduceSum", nothing, nodes.constant([1], np.int64), keepdims=1)
        parts.append(nodes.add("Add", nothing, nodes.constant(teacher.constant)))
    whole, *others = parts
    for part in others:
        whole = nodes.add("Add", whole, part)
    return whole


def _ridge(nodes: _Nodes, member: Member, rows: str) -> str:
    slope = member.weight * np.asarray(member.model.coef_, np.float64).reshape(-1, 1)
    offset = member.weight * np.asarray(member.model.intercept_, np.float64).reshape(1)
    return nodes.add("Gemm", rows, nodes.constant(slope), nodes.constant(offset))


def _logistic(nodes: _Nodes, member: Member, width: int, rows: str) -> str:
    """Two classes have one slope in scikit-learn: half of it speaks for the one, half against the other."""
    slope, offset = np.asarray(member.model.coef_, np.float64).T, np.asarray(member.model.intercept_, np.float64)
    if slope.shape[1] == 1:
        slope, offset = slope * _HALVES, offset * _HALVES[0]
    return _shares(nodes, member, width, nodes.add("Gemm", rows, nodes.constant(slope), nodes.constant(offset)))


def _shares(nodes: _Nodes, member: Member, width: int, logits: str) -> str:
    """Logits of a member's classes [n, c] -> its weighted probabilities of all classes [n, width]."""
    places = np.zeros((len(member.model.classes_), width))
    places[np.arange(len(places)), member.model.classes_] = member.weight
    return nodes.add("MatMul", nodes.add("Softmax", logits, axis=1), nodes.constant(places))


def _gaussian_process(nodes: _Nodes, member: Member, rows: str) -> str:
    """Mean of the process with kernel c exp(-sum_j d_j^2 / 2 l_j^2), in float64: its weights are large and cancel."""
    from onnx import TensorProto

    model = member.model.model
    signal = model.kernel_.k1  # constant times RBF; the noise k2 has no part in the mean
    scaled = model.X_train_ / signal.k2.length_scale
    x = nodes.add("Cast", rows, to=TensorProto.DOUBLE)
    x = nodes.add("Mul", x, nodes.constant(1 / np.asarray(signal.k2.length_scale), np.float64))
    own = nodes.add("ReduceSum", nodes.add("Mul", x, x), nodes.constant([1], np.int64), keepdims=1)
    theirs = nodes.constant((scaled**2).sum(axis=1)[None], np.float64)
    cross = nodes.add("MatMul", x, nodes.constant(-2 * scaled.T, np.float64))
    distance = nodes.add("Add", nodes.add("Add", cross, own), theirs)
    similar = nodes.add("Exp", nodes.add("Mul", distance, nodes.constant(-0.5, np.float64)))
    unit = member.weight * float(model._y_train_std)  # scikit-learn keeps them under these names
    weights = (unit * signal.k1.constant_value * model.alpha_).reshape(-1, 1)
    value = nodes.add("MatMul", similar, nodes.constant(weights, np.float64))
    offset = member.weight * float(model._y_train_mean)
    return nodes.add("Cast", nodes.add("Add", value, nodes.constant(offset, np.float64)), to=TensorProto.FLOAT)


_HALVES = np.array([[-0.5, 0.5]])


@dataclass(frozen=True)
class _Tree:
    """A tree's nodes: children, what is compared, and what a leaf adds to each output."""

    left: np.ndarray  # int [m]; not read at leaves
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray  # float64 [m]; a row with x <= it goes left
    leaf: np.ndarray  # bool [m]
    answers: np.ndarray  # [m, outputs]


def _trees_of(forests: list[Member], width: int) -> list[_Tree]:
    """All trees of all forests; a leaf's answer is weighted by its forest's weight over its trees."""
    found = []
    for member in forests:
        share = member.weight / len(member.model.estimators_)
        classes = (
            slice(0, width) if width == 1 else np.asarray(member.model.classes_)
        )  # the others have no labelled row
        for each in member.model.estimators_:
            tree = each.tree_
            answers = np.zeros((tree.node_count, width))
            answers[:, classes] = share * tree.value[:, 0, :]
            leaf = tree.children_left == -1
            found.append(_Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, leaf, answers))
    return found


def _boosted(nodes: _Nodes, member: Member, width: int, rows: str) -> str:
    """Trees that add up to logits; scikit-learn keeps them under these names."""
    model = member.model
    base = np.asarray(model._baseline_prediction, np.float64).reshape(1, -1)
    spread = _HALVES if base.shape[1] == 1 else np.eye(base.shape[1])  # of one tree's answer over the logits
    trees = [
        _Tree(
            tree.nodes["left"],
            tree.nodes["right"],
            tree.nodes["feature_idx"],
            tree.nodes["num_threshold"],
            tree.nodes["is_leaf"].astype(bool),
            tree.nodes["value"][:, None] * spread[place],
        )
        for of_round in model._predictors
        for place, tree in enumerate(of_round)
    ]
    raw = _ensemble(nodes, trees, spread.shape[1], rows)
    return _shares(nodes, member, width, nodes.add("Add", raw, nodes.constant(base @ spread)))


def _ensemble(nodes: _Nodes, trees: list[_Tree], width: int, rows: str) -> str:
    """The sum of what the leaves say that a row falls into, [n, width]."""
    sizes = np.array([len(tree.leaf) for tree in trees])
    leaf, answers = _joined(trees, "leaf"), _joined(trees, "answers")
    ids, number = np.repeat(np.arange(len(trees)), sizes), np.concatenate([np.arange(size) for size in sizes])
    targets = np.tile(np.arange(width), (len(leaf), 1))
    told = leaf[:, None] & ((answers != 0) | (targets == 0))  # every leaf tells something, and nothing twice
    owner = np.nonzero(told)[0]
    return nodes.add(
        "TreeEnsembleRegressor",
        rows,
        domain="ai.onnx.ml",
        n_targets=width,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=ids.tolist(),
        nodes_nodeids=number.tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=np.where(leaf, 0, _joined(trees, "feature").astype(np.int64)).tolist(),
        nodes_values=_float32_below(np.where(leaf, 0.0, _joined(trees, "threshold"))).tolist(),
        nodes_truenodeids=np.where(leaf, 0, _joined(trees, "left").astype(np.int64)).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, _joined(trees, "right").astype(np.int64)).tolist(),
        target_treeids=ids[owner].tolist(),
        target_nodeids=number[owner].tolist(),
        target_ids=targets[told].tolist(),
        target_weights=answers[told].astype(np.float32).tolist(),
    )


def _joined(trees: list[_Tree], name: str) -> np.ndarray:
    return np.concatenate([getattr(tree, name) for tree in trees])


def _float32_below(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 not above each: a float32 x is <= it just where it is <= the float64 threshold."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
