"""Every term of the objective, against its formula in numpy."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from ssgan.learn import losses
from ssgan.learn.backend import constant, keras, slope

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (20, 4)).astype(np.float32)
OTHERS = RNG.normal(0, 3, (20, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 4, 20).astype(np.int32)
FEATURES = RNG.normal(size=(9, 3)).astype(np.float32)
FAKES = RNG.normal(1, 1, (6, 3)).astype(np.float32)
WEIGHTS = np.float32([1, 1, 0, 1, 0, 2])


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64))
    return weights / weights.sum(axis=-1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def entropy(shares: np.ndarray) -> np.ndarray:
    return -(shares * np.log(shares)).sum(axis=-1)


def number(x: Any) -> float:
    return float(keras.ops.convert_to_numpy(x))


def array(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


def gradient(function: Callable[[Any], Any], at: np.ndarray) -> np.ndarray:
    return array(slope(function, constant(at)))


def test_realness_is_the_softmax_over_k_plus_1_classes_with_the_fake_logit_at_0() -> None:
    with_fake = softmax(np.concatenate([LOGITS, np.zeros((20, 1), np.float32)], axis=1))
    realness = array(losses.logsumexp(constant(LOGITS)))[:, 0]
    assert np.allclose(1 - sigmoid(realness), with_fake[:, -1], rtol=1e-4)
    assert np.allclose(softmax(LOGITS), with_fake[:, :-1] / (1 - with_fake[:, -1:]), rtol=1e-5)


def test_logits_of_a_thousand_do_not_overflow() -> None:
    huge = constant(np.float32([[1000, -1000], [-1000, -1000]]))
    assert array(losses.logsumexp(huge))[:, 0] == pytest.approx([1000, -1000 + np.log(2)])
    assert array(losses.log_softmax(huge))[0].tolist() == [0, -2000]
    assert number(losses.conditional_entropy(huge)) == pytest.approx(np.log(2) / 2)


def test_cross_entropy_is_the_mean_log_probability_of_the_right_class() -> None:
    naive = -np.log(softmax(LOGITS)[np.arange(20), CLASSES]).mean()
    assert number(losses.cross_entropy(constant(LOGITS), constant(CLASSES))) == pytest.approx(naive, rel=1e-5)


def test_the_loss_of_members_is_the_mean_of_their_losses() -> None:
    members = np.stack([LOGITS, OTHERS], axis=1)
    each = [number(losses.cross_entropy(constant(part), constant(CLASSES))) for part in (LOGITS, OTHERS)]
    assert number(losses.cross_entropy(constant(members), constant(CLASSES))) == pytest.approx(np.mean(each), rel=1e-5)
    value, target = members[..., :1], LOGITS[:, 0]
    naive = (np.minimum(e := np.abs(value[..., 0] - target[:, None]), 1) * (e - np.minimum(e, 1) / 2)).mean()
    assert number(losses.huber(constant(value), constant(target))) == pytest.approx(naive, rel=1e-5)


def test_soft_cross_entropy_to_one_hots_is_cross_entropy_and_to_shares_is_least_at_them() -> None:
    hard = losses.soft_cross_entropy(constant(LOGITS), constant(np.eye(4, dtype=np.float32)[CLASSES]))
    assert number(hard) == pytest.approx(number(losses.cross_entropy(constant(LOGITS), constant(CLASSES))), rel=1e-6)
    shares = softmax(OTHERS).astype(np.float32)
    naive = -(shares * np.log(softmax(LOGITS))).sum(axis=1).mean()
    assert number(losses.soft_cross_entropy(constant(LOGITS), constant(shares))) == pytest.approx(naive, rel=1e-5)
    slopes = gradient(lambda logits: losses.soft_cross_entropy(logits, constant(shares)), OTHERS)
    assert np.abs(slopes).max() < 1e-6


def test_hl_gauss_is_the_mass_of_a_truncated_normal_in_each_bucket() -> None:
    edges, targets = np.linspace(-2, 2, 9).astype(np.float32), np.float32([0.3, -1.9, 7.0])
    got = array(losses.hl_gauss(constant(targets), constant(edges), 0.4))
    for target, shares in zip([0.3, -1.9, 2.0], got, strict=True):  # the last one counts as the last edge
        below = np.array([NormalDist(target, 0.4).cdf(edge) for edge in edges.tolist()])
        assert np.allclose(shares, np.diff(below) / (below[-1] - below[0]), atol=1e-5)


def test_huber_is_quadratic_inside_and_linear_outside() -> None:
    got = losses.huber(constant(np.float32([[0.5], [3.0]])), constant(np.float32([0.0, 0.0])))
    assert number(got) == pytest.approx((0.5**2 / 2 + (3 - 0.5)) / 2)
    wide = losses.huber(constant(np.float32([[0.5], [3.0]])), constant(np.float32([0.0, 0.0])), delta=2.0)
    assert number(wide) == pytest.approx((0.5**2 / 2 + 2 * (3 - 1)) / 2)


def test_the_gaussian_loss_is_minus_the_log_likelihood_without_its_constant() -> None:
    value, log_variance, target = LOGITS[:, :1], LOGITS[:, 1:2] / 3, OTHERS[:, 0]
    naive = [
        -np.log(NormalDist(m, np.exp(s / 2)).pdf(t)) - np.log(2 * np.pi) / 2
        for m, s, t in zip(value[:, 0] / 9, log_variance[:, 0], target / 9, strict=True)
    ]
    got = losses.gaussian(constant(value / 9), constant(log_variance), constant(target / 9))
    assert number(got) == pytest.approx(np.mean(naive), rel=1e-4)


def test_real_fake_is_the_binary_cross_entropy_and_does_not_overflow() -> None:
    real, fake = LOGITS[:, :1], LOGITS[:, 1:2]
    naive = -0.5 * np.log(sigmoid(real)).mean() - 0.5 * np.log(1 - sigmoid(fake)).mean()
    assert number(losses.real_fake(constant(real), constant(fake))) == pytest.approx(naive, rel=1e-4)
    huge = np.full((2, 1), 500, np.float32)
    assert number(losses.real_fake(constant(-huge), constant(huge))) == pytest.approx(500)


def test_the_real_rows_of_real_fake_can_be_weighted() -> None:
    real, fake = LOGITS[:6, :1], LOGITS[:, 1:2]
    naive = (
        -0.5 * (WEIGHTS * np.log(sigmoid(real[:, 0]))).sum() / WEIGHTS.sum() - 0.5 * np.log(1 - sigmoid(fake)).mean()
    )
    got = losses.real_fake(constant(real), constant(fake), constant(WEIGHTS))
    assert number(got) == pytest.approx(naive, rel=1e-4)


def test_the_real_term_pushes_a_row_to_the_classes_it_favours() -> None:
    slopes = gradient(lambda logits: losses.real_fake(losses.logsumexp(logits), constant(np.zeros((1, 1)))), LOGITS)
    realness = np.log(np.exp(LOGITS.astype(np.float64)).sum(axis=1, keepdims=True))
    assert np.allclose(slopes, -0.5 / 20 * (1 - sigmoid(realness)) * softmax(LOGITS), atol=1e-6)


def test_conditional_entropy_is_that_of_the_class_probabilities() -> None:
    naive = entropy(softmax(LOGITS))
    assert number(losses.conditional_entropy(constant(LOGITS))) == pytest.approx(naive.mean(), rel=1e-5)
    weighted = losses.conditional_entropy(constant(LOGITS[:6]), constant(WEIGHTS))
    assert number(weighted) == pytest.approx((naive[:6] * WEIGHTS).sum() / WEIGHTS.sum(), rel=1e-5)


def test_share_weights_give_a_rare_class_the_say_of_the_majority() -> None:
    logits = np.repeat(np.float32([[30, 0], [0, 30]]), [90, 10], axis=0)
    weights = array(losses.share_weights(constant(logits)))
    assert weights[:90].sum() == pytest.approx(weights[90:].sum(), rel=1e-4)
    assert weights.mean() == pytest.approx(1, rel=1e-5)
    alone = np.repeat(np.float32([[30, 0], [0, 30]]), [999, 1], axis=0)
    weights = array(losses.share_weights(constant(alone)))
    assert weights[-1] / weights[0] == pytest.approx(20, rel=0.01)  # a tenth of an even share, for 1/1000
    assert not gradient(lambda logits: keras.ops.sum(losses.share_weights(logits) * constant(alone[:, 0])), alone).any()


def test_the_manifold_term_is_the_change_of_the_logits_along_a_step_of_given_length() -> None:
    naive = np.abs(LOGITS - OTHERS).sum(axis=1).mean()
    assert number(losses.manifold(constant(LOGITS), constant(OTHERS))) == pytest.approx(naive, rel=1e-5)
    here = RNG.normal(size=(5, 4, 4, 1)).astype(np.float32)
    there = here + RNG.normal(size=here.shape).astype(np.float32)
    moved = array(losses.manifold_step(constant(here), constant(there), 3.0)) - here
    assert np.allclose(np.sqrt((moved**2).sum(axis=(1, 2, 3))), 3, rtol=1e-4)
    cosine = (moved * (there - here)).sum(axis=(1, 2, 3)) / 3 / np.sqrt(((there - here) ** 2).sum(axis=(1, 2, 3)))
    assert np.allclose(cosine, 1, atol=1e-4)


def test_kl_is_that_of_the_probabilities_and_spares_the_goal() -> None:
    p, q = softmax(OTHERS), softmax(LOGITS)
    naive = (p * np.log(p / q)).sum(axis=1).mean()
    assert number(losses.kl(constant(LOGITS), constant(OTHERS))) == pytest.approx(naive, rel=1e-4)
    assert number(losses.kl(constant(LOGITS), constant(LOGITS + 5))) == pytest.approx(0, abs=1e-6)
    assert not gradient(lambda goal: losses.kl(constant(LOGITS), goal), OTHERS).any()
    assert gradient(lambda logits: losses.kl(logits, constant(OTHERS)), LOGITS).any()


def test_only_what_the_teacher_is_sure_of_is_a_pseudo_label() -> None:
    p, q = softmax(LOGITS), softmax(OTHERS)
    sure = q.max(axis=1) >= 0.8
    assert 0 < sure.sum() < len(sure)
    naive = (sure * -np.log(p[np.arange(len(p)), q.argmax(axis=1)])).mean()
    assert number(losses.pseudo_label(constant(LOGITS), constant(OTHERS), 0.8)) == pytest.approx(naive, rel=1e-4)
    slopes = gradient(lambda logits: losses.pseudo_label(logits, constant(OTHERS), 0.8), LOGITS)
    assert slopes[sure].any(axis=1).all() and not slopes[~sure].any()
    assert not gradient(lambda goal: losses.pseudo_label(constant(LOGITS), goal, 0.8), OTHERS).any()


def test_one_goal_serves_all_members() -> None:
    members = np.stack([LOGITS, OTHERS], axis=1)
    goal = RNG.normal(size=(20, 4)).astype(np.float32)
    each = [number(losses.kl(constant(part), constant(goal))) for part in (LOGITS, OTHERS)]
    assert number(losses.kl(constant(members), constant(goal))) == pytest.approx(np.mean(each), rel=1e-5)


def test_aligned_answers_have_shares_nearer_to_the_known_ones_and_no_gradient() -> None:
    lopsided = LOGITS + np.float32([3, 0, -3, 0])
    known, q = np.float32([0.1, 0.2, 0.3, 0.4]), softmax(lopsided)
    seen = (q.mean(axis=0) + losses.KNOWN * known) / (1 + losses.KNOWN)
    naive = q * (known / seen) ** 0.7
    found = softmax(array(losses.aligned(constant(lopsided), constant(known), constant(np.float32(0.7)))))
    assert np.allclose(found, naive / naive.sum(axis=1, keepdims=True), atol=1e-5)
    assert np.abs(found.mean(axis=0) - known).max() < np.abs(q.mean(axis=0) - known).max()
    assert not gradient(lambda logits: losses.aligned(logits, constant(known), 1.0)[0, 0], lopsided).any()


def test_answers_aligned_with_no_strength_stay_as_they_are() -> None:
    known = constant(np.float32([0.1, 0.2, 0.3, 0.4]))
    assert np.allclose(softmax(array(losses.aligned(constant(LOGITS), known, 0.0))), softmax(LOGITS), atol=1e-6)


def test_a_class_that_nothing_is_taken_for_gains_five_times_and_no_more() -> None:
    sure = constant(np.tile(np.float32([30, 0, 0, 0]), (20, 1)))
    gain = array(losses.aligned(sure, constant(np.float32([0.25] * 4)), 1.0)) - array(losses.log_softmax(sure))
    assert np.allclose(np.exp(gain[:, 1:]), (1 + losses.KNOWN) / losses.KNOWN, rtol=1e-3)
    assert (1 + losses.KNOWN) / losses.KNOWN == 5


def test_members_are_aligned_by_what_they_say_together() -> None:
    members, known = np.stack([LOGITS, OTHERS], axis=1), constant(np.float32([0.25] * 4))
    flat = array(losses.aligned(constant(members.reshape(40, 4)), known, 1.0))
    assert np.allclose(array(losses.aligned(constant(members), known, 1.0)).reshape(40, 4), flat, atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 3), (5, 4, 4, 2)])
def test_mixed_rows_lie_between_two(shape: tuple[int, ...]) -> None:
    a, b = RNG.normal(size=shape).astype(np.float32), RNG.normal(size=shape).astype(np.float32)
    share = np.float32([[0], [1], [0.5], [0.25], [0.9]])
    got = array(losses.mixed(constant(a), constant(b), constant(share)))
    s = share.reshape(5, *[1] * (len(shape) - 1))
    assert np.allclose(got, s * a + (1 - s) * b, atol=1e-6)


def test_a_unit_direction_is_one_even_for_a_gradient_that_vanishes_when_squared() -> None:
    rows = np.float32([[3, 4], [3e-25, -4e-25], [0, 0]])
    assert np.allclose(array(losses.unit(constant(rows))), [[0.6, 0.8], [0.6, -0.8], [0, 0]], atol=1e-5)


def test_feature_matching_is_the_distance_of_the_batch_means() -> None:
    gap = FAKES.mean(0) - FEATURES.mean(0)
    got = losses.feature_matching(constant(FAKES), constant(FEATURES))
    assert number(got) == pytest.approx((gap**2).mean(), rel=1e-5)
    got = losses.feature_matching_l1(constant(FAKES), constant(FEATURES))
    assert number(got) == pytest.approx(np.abs(gap).mean(), rel=1e-5)


def test_fakes_of_weight_0_have_no_part_in_a_generators_loss() -> None:
    kept = np.repeat(FAKES, WEIGHTS.astype(int), axis=0)
    for loss in (losses.feature_matching, losses.feature_matching_l1):
        whole = number(loss(constant(kept), constant(FEATURES)))
        got = number(loss(constant(FAKES), constant(FEATURES), constant(WEIGHTS)))
        assert got == pytest.approx(whole, rel=1e-5)
    z = FAKES[:, :1]
    for loss in (losses.non_saturating, losses.complement):
        weighted = number(loss(constant(z), weights=constant(WEIGHTS)))
        assert weighted == pytest.approx(number(loss(constant(np.repeat(z, WEIGHTS.astype(int), axis=0)))), rel=1e-5)
    two = np.float32([1, 0, 0, 0, 0, 1])
    cosine = FAKES[0] @ FAKES[5] / np.linalg.norm(FAKES[0]) / np.linalg.norm(FAKES[5])
    assert number(losses.pull_away(constant(FAKES), constant(two))) == pytest.approx(cosine**2, rel=1e-4)


def test_without_any_weight_a_generators_loss_is_finite() -> None:
    none = constant(np.zeros(6, np.float32))
    assert np.isfinite(number(losses.feature_matching(constant(FAKES), constant(FEATURES), none)))
    assert number(losses.pull_away(constant(FAKES), none)) == 0


def test_the_non_saturating_loss_is_the_log_probability_of_being_taken_for_real() -> None:
    z = LOGITS[:, :1]
    assert number(losses.non_saturating(constant(z))) == pytest.approx(-np.log(sigmoid(z)).mean(), rel=1e-4)
    certain = np.full((3, 1), -50, np.float32)  # where log(1 - P) would have no slope left
    assert gradient(losses.non_saturating, certain) == pytest.approx(-1 / 3)


def test_pull_away_is_the_mean_squared_cosine_of_different_fakes() -> None:
    unit = FAKES / np.linalg.norm(FAKES, axis=1, keepdims=True)
    pairs = [(unit[i] @ unit[j]) ** 2 for i in range(6) for j in range(6) if i != j]
    assert number(losses.pull_away(constant(FAKES))) == pytest.approx(np.mean(pairs), rel=1e-4)
    assert number(losses.pull_away(constant(np.eye(4, dtype=np.float32)))) == pytest.approx(0, abs=1e-6)
    assert number(losses.pull_away(constant(np.ones((4, 3), np.float32)))) == pytest.approx(1, rel=1e-5)


def test_the_complement_term_moves_only_fakes_that_are_taken_for_real() -> None:
    z = np.float32([[-2], [0.5], [3]])
    assert number(losses.complement(constant(z), threshold=1.0)) == pytest.approx(2 / 3)
    slopes = gradient(lambda z: losses.complement(z, threshold=1.0), z)
    assert slopes[:, 0] == pytest.approx([0, 0, 1 / 3])


@pytest.mark.parametrize("name", ["logsumexp", "conditional_entropy", "pull_away", "non_saturating"])
def test_losses_of_bfloat16_are_float32(name: str) -> None:
    rows = keras.ops.cast(constant(LOGITS), "bfloat16")
    assert keras.backend.standardize_dtype(getattr(losses, name)(rows).dtype) == "float32"
