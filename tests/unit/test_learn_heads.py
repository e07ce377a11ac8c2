"""Task heads: one interface for classes, values and buckets of a value, for one network and for members."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ssgan.errors import DataError, ParamsError
from ssgan.learn.backend import constant, keras
from ssgan.learn.heads import BucketHead, ClassHead, GaussianHead, Head, HeadKind, ValueHead, head_for
from tests.unit import learner

RNG = np.random.default_rng(0)
EDGES = tuple(np.linspace(-2, 2, 9).tolist())
HEADS: list[Any] = [ClassHead(4), ValueHead(10.0, 2.0), GaussianHead(10.0, 2.0), BucketHead(10.0, 2.0, EDGES)]


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64))
    return weights / weights.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def array(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


def outputs(head: Head, rows: int = 6, members: int = 0) -> np.ndarray:
    shape = (rows, members, head.width) if members else (rows, head.width)
    return RNG.normal(0, 2, shape).astype(np.float32)


def test_a_value_has_a_realness_of_its_own_and_classes_have_their_logsumexp() -> None:
    value = outputs(HEADS[1])
    assert array(HEADS[1].task(value)).tolist() == value[:, :1].tolist()
    assert array(HEADS[1].realness(value)).tolist() == value[:, 1:].tolist()
    logits = outputs(HEADS[0])
    assert np.allclose(array(HEADS[0].realness(constant(logits)))[:, 0], np.log(np.exp(logits).sum(axis=1)), atol=1e-5)


def test_targets_are_classes_or_standardised_values() -> None:
    assert HEADS[0].targets(np.array([2, 0])).tolist() == [2, 0]
    for head in HEADS[1:]:
        assert head.targets(np.array([10.0, 14.0])).tolist() == [0, 2]
        assert [part.tolist() for part in head.strata(np.array([1.0, 2.0]))] == [[0, 1]]
    assert [part.tolist() for part in ClassHead(3).strata(np.array([2, 0, 2]))] == [[1], [0, 2]]


def test_a_value_is_standardised_by_the_labelled_rows() -> None:
    case = learner.values()
    head = head_for(case.contract, case.y)
    assert isinstance(head, ValueHead)
    assert head.mean == pytest.approx(case.truth[:40].mean())
    assert head.scale == pytest.approx(case.truth[:40].std())


@pytest.mark.parametrize(("kind", "made"), [("huber", ValueHead), ("gaussian", GaussianHead), ("buckets", BucketHead)])
def test_how_a_value_is_learned_is_a_choice(kind: HeadKind, made: type) -> None:
    case = learner.values()
    assert type(head_for(case.contract, case.y, kind)) is made


def test_classes_are_not_learned_as_a_value() -> None:
    case = learner.classes()
    assert head_for(case.contract, case.y) == ClassHead(2, ("up", "down"))
    with pytest.raises(ParamsError, match=r"train\.head. is for values; 'y' has classes"):
        head_for(case.contract, case.y, "huber")


@pytest.mark.parametrize("y", [np.array([3.0, np.nan]), np.array([3.0, 3.0])])
def test_labels_without_spread_still_make_a_head(y: np.ndarray) -> None:
    case = learner.values()
    for kind in ("huber", "buckets"):
        head = head_for(case.contract, y, kind)
        loss = float(array(head.supervised(constant(outputs(head, 1)), constant(head.targets(y[:1])))))
        assert np.isfinite(loss)


@pytest.mark.parametrize("values", [(1e200, -1e200), (1e-200, 2e-200)])
def test_values_whose_deviation_is_no_number_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(
        DataError, match=r"deviation that can be computed; it is (inf|0\.0), .*: give them in another unit"
    ):
        head_for(learner.values().contract, np.array([*values, np.nan]))


def test_a_gaussian_head_learns_how_far_off_it_is() -> None:
    head, errors = HEADS[2], RNG.normal(0, 0.5, 4000).astype(np.float32)
    losses = {}
    for log_variance in np.linspace(-4, 2, 25):
        guess = np.tile(np.float32([0.0, log_variance, 0.0]), (4000, 1))
        losses[float(array(head.log_variance(guess))[0, 0])] = float(array(head.supervised(guess, constant(errors))))
    assert min(losses, key=lambda each: losses[each]) == pytest.approx(np.log(errors.var()), abs=0.2)
    assert np.abs(array(head.log_variance(constant(np.float32([[0, -900, 0]]))))).max() <= 5


def test_a_bucket_head_answers_with_the_value_its_targets_stand_for() -> None:
    head = HEADS[3]
    labels = np.array([8.0, 10.0, 11.3])
    logits = constant(head.goal(head.targets(labels)[:, None]))
    assert array(head.task(logits))[:, 0] == pytest.approx((labels - 10) / 2, abs=0.05)
    worse = constant(outputs(head, 3))
    targets = constant(head.targets(labels))
    assert float(array(head.supervised(logits, targets))) < float(array(head.supervised(worse, targets)))


@pytest.mark.parametrize("head", HEADS)
def test_the_buckets_reach_beyond_the_labels(head: Head) -> None:
    case = learner.values()
    made = head_for(case.contract, case.y, "buckets")
    assert isinstance(made, BucketHead)
    known = made.targets(case.truth[:40])
    assert made.edges[0] < known.min()
    assert known.max() < made.edges[-1]
    assert np.allclose(np.diff(made.edges), made.edges[1] - made.edges[0])


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_is_at_no_distance_from_itself_and_at_some_from_another(head: Head) -> None:
    a, b = constant(outputs(head)), constant(outputs(head))
    assert float(array(head.distance(a, a))) == pytest.approx(0, abs=1e-6)
    assert float(array(head.distance(a, b))) > 0.1


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("members", [0, 3])
def test_the_goal_of_a_mixed_row_is_the_mix_of_the_answers(head: Head, members: int) -> None:
    a, b = outputs(head, members=members), outputs(head, members=members)
    share = np.float32([[0], [1], [0.5], [0.25], [0.9], [0.3]])
    goal = head.mix(constant(a), constant(b), constant(share))
    assert float(array(head.distance(constant(a[1:2]), goal[1:2]))) == pytest.approx(0, abs=1e-5)
    assert float(array(head.distance(constant(b[:1]), goal[:1]))) == pytest.approx(0, abs=1e-5)
    if isinstance(head, ClassHead) and not members:
        assert np.allclose(softmax(array(goal)), share * softmax(a) + (1 - share) * softmax(b), atol=1e-5)


def test_an_outside_teacher_is_a_goal_like_any_other() -> None:
    shares = softmax(outputs(HEADS[0]))
    near = float(array(HEADS[0].distance(constant(np.log(shares).astype(np.float32)), HEADS[0].goal(shares))))
    assert near == pytest.approx(0, abs=1e-4)
    assert HEADS[0].goal(np.eye(4)).min() > -20  # a tree that is sure is not believed without limit
    assert HEADS[1].goal(np.array([[0.0], [2.0]])).tolist() == [[0], [2]]


@pytest.mark.parametrize("head", HEADS)
def test_only_answers_in_classes_have_an_entropy_and_shares(head: Head) -> None:
    given = constant(outputs(head))
    entropy = float(array(head.entropy(given, head.share_weights(given))))
    has_classes = isinstance(head, (ClassHead, BucketHead))
    assert (entropy > 0) == has_classes
    assert array(head.share_weights(given)).mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_only_classes_are_aligned(head: Head) -> None:
    given, labels = outputs(head), np.array([0, 0, 0, 1])
    found = array(head.aligned(constant(given), constant(head.shares(labels)), 1.0))
    assert (found.tolist() == given.tolist()) == (not isinstance(head, ClassHead))


def test_the_shares_of_classes_are_those_of_the_labels_with_one_more_of_each() -> None:
    assert ClassHead(3).shares(np.array([0, 0, 1])).tolist() == np.float32([3 / 6, 2 / 6, 1 / 6]).tolist()


@pytest.mark.parametrize("head", HEADS)
def test_one_network_is_pooled_to_itself_and_does_not_disagree(head: Head) -> None:
    alone = outputs(head)
    assert array(head.pooled(constant(alone))).tolist() == alone.tolist()
    assert not array(head.disagreement(constant(alone))).any()


@pytest.mark.parametrize("head", HEADS)
def test_members_that_agree_are_one_network(head: Head) -> None:
    alone = outputs(head)
    alike = constant(np.repeat(alone[:, None], 5, axis=1))
    pooled = head.pooled(alike)
    assert np.allclose(array(head.task(pooled)), array(head.task(constant(alone))), atol=1e-4)
    assert np.allclose(array(head.realness(pooled)), array(head.realness(constant(alone))), atol=1e-4)
    assert np.abs(array(head.disagreement(alike))).max() < 1e-4


def test_members_answer_with_the_mean_of_their_probabilities_and_of_their_realness() -> None:
    head = HEADS[0]
    apart = outputs(head, members=5)
    pooled = head.pooled(constant(apart))
    assert np.allclose(softmax(array(head.task(pooled))), softmax(apart).mean(axis=1), atol=1e-5)
    real = sigmoid(np.log(np.exp(apart.astype(np.float64)).sum(axis=-1))).mean(axis=1)
    assert np.allclose(sigmoid(array(head.realness(pooled)))[:, 0], real, atol=1e-5)
    shares = softmax(apart)
    entropy = -(shares * np.log(shares)).sum(axis=-1).mean(axis=1)
    mean = shares.mean(axis=1)
    assert np.allclose(
        array(head.disagreement(constant(apart))), -(mean * np.log(mean)).sum(axis=1) - entropy, atol=1e-5
    )


def test_members_answer_with_the_mean_of_their_values_and_disagree_by_their_spread() -> None:
    for head in HEADS[1:3]:
        apart = outputs(head, members=5)
        pooled = head.pooled(constant(apart))
        assert array(pooled).shape == (6, head.width)
        assert np.allclose(array(head.task(pooled)), apart[..., :1].mean(axis=1), atol=1e-5)
        assert np.allclose(array(head.disagreement(constant(apart))), apart[..., 0].std(axis=1), atol=1e-5)


def test_gaussian_members_far_apart_are_an_unsure_ensemble() -> None:
    head = HEADS[2]
    apart = np.float32([[[-2, 0, 0], [2, 0, 0]]])  # two normals of variance 1
    variance = np.exp(array(head.log_variance(head.pooled(constant(apart)))))[0, 0]
    assert variance == pytest.approx(1 + 4, rel=1e-3)


def test_members_that_are_certain_do_not_overflow_when_pooled() -> None:
    certain = np.float32([[[400, -400], [400, -400]], [[-400, -400], [-400, -400]]])
    pooled = array(HEADS[0].pooled(constant(certain)))
    assert np.isfinite(pooled).all()
    assert pooled[0].max() == pytest.approx(400, rel=1e-3)
