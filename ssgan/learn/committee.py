"""The committee: the discriminator's answer fused with that of trees on the labelled rows, as one ONNX graph.

    classes: p = (normalise(p_D^0.3) + mean(random forest, extra trees)) / 2
    values:  v = (v_D + v_teacher) / 2, the teacher of `teacher.value_teacher`

The graph's `task` is the committee's answer, in the form of the discriminator's (log-probabilities, or the standardised
value), so that a reader need not know which of the two it asks; `discriminator_task` is the discriminator's alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssgan.learn.artefact import ALONE
from ssgan.learn.teacher import Member, Teacher, class_forests, value_teacher

POWER = 0.3  # a discriminator is surer than it is right: picked among five fusions on three tables
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
        powered = np.exp(POWER * (task.astype(np.float64) - task.max(axis=1, keepdims=True)))
        fused = (powered / powered.sum(axis=1, keepdims=True) + theirs) / 2
        return np.asarray(np.log(np.maximum(fused, LEAST)), np.float32)


def fit_committee(x: np.ndarray, targets: np.ndarray, classes: int, seed: int) -> Committee:
    """Fits on labelled rows.

    Args:
        x: encoded, float32 [m, F] or [m, height, width, channels].
        targets: numbers of classes [m], or values [m] standardised as the discriminator's head does.
        classes: K; 0 for values.
        seed: equal seeds give equal bits.
    """
    return Committee(class_forests(x, targets, classes, seed) if classes else value_teacher(x, targets, seed))


def join(model: Any, committee: Committee) -> Any:
    """An exported discriminator (x -> task, realness) with the committee added: one more output, `discriminator_task`.

    Args:
        model: onnx.ModelProto; it is changed.
        committee: whose members are forests, ridges or Gaussian processes.
    """
    from onnx import helper

    graph = model.graph
    for node in graph.node:
        node.input[:] = [ALONE if name == "task" else name for name in node.input]
        node.output[:] = [ALONE if name == "task" else name for name in node.output]
    (own,) = (output for output in graph.output if output.name == "task")
    alone = type(own)()
    alone.CopyFrom(own)
    alone.name = ALONE
    graph.output.append(alone)

    nodes = _Nodes()
    rows = nodes.add("Flatten", "x", axis=1)
    theirs = _members(nodes, committee.teacher, rows)
    if committee.teacher.width == 1:
        nodes.add("Mul", nodes.add("Add", ALONE, theirs), nodes.constant(0.5), output="task")
    else:
        powered = nodes.add("Softmax", nodes.add("Mul", ALONE, nodes.constant(POWER)), axis=1)
        fused = nodes.add("Mul", nodes.add("Add", powered, theirs), nodes.constant(0.5))
        nodes.add("Log", nodes.add("Max", fused, nodes.constant(LEAST)), output="task")
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    if "ai.onnx.ml" not in [each.domain for each in model.opset_import]:
        model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    return model


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
    """The weighted sum of the members' answers, [n, width]."""
    forests = [member for member in teacher.members if hasattr(member.model, "estimators_")]
    parts = [_forests(nodes, forests, teacher.width, rows)] if forests else []
    for member in teacher.members:
        if hasattr(member.model, "coef_"):
            parts.append(_ridge(nodes, member, rows))
        elif not hasattr(member.model, "estimators_"):
            parts.append(_gaussian_process(nodes, member, rows))
    whole, *others = parts
    for part in others:
        whole = nodes.add("Add", whole, part)
    return whole


def _ridge(nodes: _Nodes, member: Member, rows: str) -> str:
    slope = member.weight * np.asarray(member.model.coef_, np.float64).reshape(-1, 1)
    offset = member.weight * np.asarray(member.model.intercept_, np.float64).reshape(1)
    return nodes.add("Gemm", rows, nodes.constant(slope), nodes.constant(offset))


def _gaussian_process(nodes: _Nodes, member: Member, rows: str) -> str:
    """Mean of the process with kernel c exp(-d^2 / 2 l^2), in float64: its weights are large and cancel."""
    from onnx import TensorProto

    model = member.model.model
    signal = model.kernel_.k1  # constant times RBF; the noise k2 has no part in the mean
    scaled = model.X_train_ / signal.k2.length_scale
    x = nodes.add("Cast", rows, to=TensorProto.DOUBLE)
    x = nodes.add("Mul", x, nodes.constant(1 / signal.k2.length_scale, np.float64))
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


def _forests(nodes: _Nodes, members: list[Member], width: int, rows: str) -> str:
    """All trees of all forests as one ensemble, a leaf's answer weighted by its forest's weight over its trees."""
    trees = [
        (tree.tree_, member.weight / len(member.model.estimators_), _classes(member.model, width))
        for member in members
        for tree in member.model.estimators_
    ]
    sizes = np.array([tree.node_count for tree, _, _ in trees])
    leaf = np.concatenate([tree.children_left == -1 for tree, _, _ in trees])
    ids, number = np.repeat(np.arange(len(trees)), sizes), np.concatenate([np.arange(size) for size in sizes])
    answers = np.zeros((len(leaf), width))
    at = 0
    for tree, share, classes in trees:
        answers[at : at + tree.node_count, classes] = share * tree.value[:, 0, :]
        at += tree.node_count
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
        nodes_featureids=np.where(leaf, 0, _joined(trees, "feature")).tolist(),
        nodes_values=_float32_below(np.where(leaf, 0.0, _joined(trees, "threshold"))).tolist(),
        nodes_truenodeids=np.where(leaf, 0, _joined(trees, "children_left")).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, _joined(trees, "children_right")).tolist(),
        target_treeids=ids[owner].tolist(),
        target_nodeids=number[owner].tolist(),
        target_ids=targets[told].tolist(),
        target_weights=answers[told].astype(np.float32).tolist(),
    )


def _classes(model: Any, width: int) -> Any:
    """The columns that a forest's answers belong to; a class without a labelled row has none."""
    return slice(0, width) if width == 1 else np.asarray(model.classes_)


def _joined(trees: list[tuple[Any, float, Any]], name: str) -> np.ndarray:
    return np.concatenate([getattr(tree, name) for tree, _, _ in trees])


def _float32_below(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 not above each: a float32 x is <= it just where it is <= the float64 threshold."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
