"""The committee: the same answers from scikit-learn and from the one graph, and the formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ssgan.config import TrainParams
from ssgan.learn import plain
from ssgan.learn.artefact import Artefact, open_session
from ssgan.learn.committee import Committee, join
from ssgan.learn.export import export
from ssgan.learn.fit import fit_discriminator
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import Knobs, resolve
from ssgan.learn.plain import CLASS_MEMBERS, VALUE_MEMBERS
from ssgan.learn.prepare import is_labelled
from ssgan.learn.teacher import Member, Teacher, teach
from ssgan.records import RunRecord
from tests.unit import learner

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
X[:, 3:] = np.round(X[:, 3:], 1)  # many rows lie on thresholds
ASKED = RNG.normal(size=(2000, 6)).astype(np.float32)
ASKED[:, 3:] = np.round(ASKED[:, 3:], 1)
VALUE = X[:, 0] + np.sin(3 * X[:, 1]) + 0.3 * X[:, 4]


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "TREES", 40)


def linear(outputs: int) -> tuple[onnx.ModelProto, np.ndarray]:
    """A discriminator of one layer, as exported, and its weights."""
    weights = np.random.default_rng(1).normal(size=(6, outputs)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["v0"]),
        helper.make_node("Identity", ["v0"], ["task"]),
        helper.make_node("ReduceMax", ["task"], ["realness"], axes=[1], keepdims=1),
    ]
    puts = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
        for name, width in (("x", 6), ("task", outputs), ("realness", 1))
    ]
    graph = helper.make_graph(nodes, "net", puts[:1], puts[1:], [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=9), weights


def every_kind(classes: int, targets: np.ndarray) -> Committee:
    """One whose teacher lets every member have the same say."""
    makers, width = (CLASS_MEMBERS, classes) if classes else (VALUE_MEMBERS, 1)
    with plain.quietly():  # as a teacher has them fitted
        fitted = {name: make(len(X), width, 0).fit(X, targets) for name, make in makers.items()}
    members = tuple(Member(name, 1 / len(fitted), model) for name, model in fitted.items())
    return Committee(Teacher(members, width, 0.0 if classes else 0.25))


@pytest.mark.parametrize(("classes", "without"), [(0, None), (2, None), (3, None), (4, 1)])
def test_the_graph_answers_as_scikit_learn_does(classes: int, without: int | None, tmp_path: Path) -> None:
    targets = np.digitize(VALUE, [0, 1, 2][: classes - 1]) if classes else VALUE
    targets = np.where(targets == without, 0, targets)  # a class without a labelled row
    committee = every_kind(classes, targets)
    model, weights = linear(max(classes, 1))
    path = tmp_path / "model.onnx"
    path.write_bytes(join(model, committee).SerializeToString(deterministic=True))
    names = ["task", "discriminator_task", "realness"]
    task, alone, realness = open_session(path).run(names, {"x": ASKED})
    own = ASKED @ weights
    assert np.abs(task - committee.task(own, ASKED)).max() < 1e-4
    assert np.abs(alone - own).max() < 1e-4
    assert np.abs(realness - own.max(axis=1, keepdims=True)).max() < 1e-4


def test_a_constant_alone_is_an_answer_for_every_row(tmp_path: Path) -> None:
    committee = Committee(Teacher((), 1, 3.5))
    model, weights = linear(1)
    path = tmp_path / "model.onnx"
    path.write_bytes(join(model, committee).SerializeToString(deterministic=True))
    (task,) = open_session(path).run(["task"], {"x": ASKED})
    assert task == pytest.approx((ASKED @ weights + 3.5) / 2, abs=1e-5)


def test_probabilities_are_the_mean_of_both() -> None:
    committee = Committee(teach(X, (VALUE > 0).astype(int), 2, 0))
    logits = RNG.normal(0, 3, (2000, 2)).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = (p + committee.teacher.answers(ASKED)) / 2
    assert np.exp(committee.task(logits, ASKED)) == pytest.approx(wanted, abs=1e-5)


def test_equal_seeds_give_equal_bytes() -> None:
    bytes_of = [
        join(linear(1)[0], Committee(teach(X[:60], VALUE[:60], 0, seed))).SerializeToString(deterministic=True)
        for seed in (3, 3, 4)
    ]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]


@pytest.mark.parametrize("make", [learner.classes, learner.values])
def test_an_artefact_with_a_committee_is_read_like_any_other(make: Callable[[], learner.Case], tmp_path: Path) -> None:
    case = make()
    head, known = head_for(case.contract, case.y), is_labelled(case.y)
    knobs = resolve(TrainParams(steps=5, hidden=(16, 16)), case.contract)
    fitted = fit_discriminator(case.x, case.y, case.encoder, head, knobs, "test")
    committee = Committee(teach(case.x[known], head.targets(case.y[known]), len(case.contract.classes), 0))
    (tmp_path / "encoder.json").write_text(case.encoder.to_json())
    (tmp_path / "schema.json").write_text(case.contract.model_dump_json())
    export(tmp_path, fitted.discriminator, head, case.x, record(knobs), committee)
    artefact = Artefact.load(tmp_path)
    together, alone = artefact.predict_encoded(case.x), artefact.predict_alone(case.x)
    task, _ = fitted.outputs(case.x)
    assert np.array_equal(together.fake_probability, alone.fake_probability)
    assert artefact.outputs(case.x)[0] == pytest.approx(committee.task(task, case.x), abs=1e-4)
    assert artefact.outputs(case.x, "discriminator_task")[0] == pytest.approx(task, abs=1e-4)
    if together.probabilities is not None:
        assert together.probabilities == pytest.approx(np.exp(committee.task(task, case.x)), abs=1e-4)
    else:
        error = [np.abs(each.answer - case.truth).mean() for each in (together, alone)]
        assert error[0] < error[1]


def record(knobs: Knobs) -> RunRecord:
    """What `export` wants to know of a run."""
    return RunRecord(
        task="",
        backend="",
        precision="float32",
        seed=0,
        data_hash="",
        rows=0,
        labelled=0,
        fakes="",
        knobs=knobs.as_record(),
        parity=0.0,
    )
