"""Where fake rows come from, and what their makers learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from ssgan.errors import ParamsError
from ssgan.learn import losses
from ssgan.learn.backend import Draws, Tensor, constant, gradients, keras
from ssgan.learn.fakes import Fakes, Matching, Terms, fakes_for
from tests.unit import learner

RNG = np.random.default_rng(0)
KINDS = ("generator", "shuffled columns", "refiner", "mixture")
LEARNED = ("generator", "refiner", "mixture")
FEATURES = RNG.normal(size=(9, 3)).astype(np.float32)
OF_FAKES = RNG.normal(1, 1, (64, 3)).astype(np.float32)
REALNESS = RNG.normal(size=(64, 1)).astype(np.float32)


@dataclass(frozen=True)
class Knobs:
    hidden: tuple[int, ...] = (16, 16)
    members: int = 1
    weight_norm: bool = False
    networks: str | None = None
    matching: Matching = "squared"
    pull_away_weight: float = 0.0
    complement_weight: float = 0.0
    noise: float = 0.15
    embedding: Literal["piecewise", "periodic", "none"] = "piecewise"
    refined_share: float = 0.5


class Shuffler:
    """Shuffled rows of a case, a new batch at each call."""

    def __init__(self, case: learner.Case, batch: int = 64) -> None:
        self._case, self._batch, self._source = case, batch, np.random.default_rng(0)

    def shuffled(self) -> Tensor:
        groups = np.asarray(self._case.encoder.groups)
        chosen = self._source.integers(len(self._case.x), size=(self._batch, groups.max() + 1))[:, groups]
        return constant(self._case.x[chosen, np.arange(self._case.x.shape[1])])


def source(kind: str, knobs: Knobs = Knobs(), batch: int = 64) -> tuple[learner.Case, Fakes]:  # noqa: B008
    case = learner.classes()
    return case, fakes_for(kind, Shuffler(case, batch), case.encoder, knobs, Draws(0), 1)


def array(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


@pytest.mark.parametrize("kind", KINDS)
def test_fakes_are_rows_of_the_encoders_form(kind: str) -> None:
    case, fakes = source(kind)
    for rows in (array(fakes.draw(64, 0.5)), fakes.sample(case.x, 300, 0)):
        assert rows.shape[1:] == case.x.shape[1:]
        assert rows.dtype == np.float32
        assert set(np.unique(rows[:, 2:])) <= {0.0, 1.0}
        assert (rows[:, 3:].sum(axis=1) == 1).all()
        assert np.abs(rows).max() <= 3
    assert len(fakes.sample(case.x, 300, 0)) == 300


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_that_of_its_seed(kind: str) -> None:
    case, fakes = source(kind)
    one, same, other = (fakes.sample(case.x, 40, seed) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_learns_if_it_has_networks(kind: str) -> None:
    _, fakes = source(kind)
    assert bool(fakes.weights) == bool(fakes.models) == (kind in LEARNED)
    fakes.draw(64, 0.5)
    given = (constant(each) for each in (OF_FAKES, FEATURES, REALNESS))
    assert len(fakes.losses(*given)) == (kind in LEARNED)


@pytest.mark.parametrize("kind", LEARNED)
def test_every_weight_of_a_generator_gets_a_slope_through_its_hard_rows(kind: str) -> None:
    _, fakes = source(kind)

    def forward() -> tuple[tuple[Tensor, ...], Tensor]:
        rows = fakes.draw(64, 1.0)
        return (keras.ops.sum(rows * rows[:, :1] * np.arange(6, dtype=np.float32)),), keras.ops.zeros(1)

    [slopes], _ = gradients(forward, [fakes.weights])
    kernels = [slope for slope in slopes if len(slope.shape) == 2]
    assert len(kernels) == 3
    assert all(np.abs(array(slope)).max() > 0 for slope in kernels)


def test_shuffled_columns_keep_every_column_and_break_their_company() -> None:
    case, fakes = source("shuffled columns", batch=4000)
    groups = np.array(case.encoder.groups)
    assert abs(np.corrcoef(case.x[:, 0], case.x[:, 3])[0, 1]) > 0.5
    for rows in (array(fakes.draw(4000, 0.0)), fakes.sample(case.x, 4000, 0)):
        for group in set(groups.tolist()):
            at = np.flatnonzero(groups == group)
            assert {tuple(row) for row in rows[:, at]} <= {tuple(row) for row in case.x[:, at]}
        assert abs(np.corrcoef(rows[:, 0], rows[:, 3])[0, 1]) < 0.05


def test_the_first_refined_rows_are_nearly_shuffled_rows() -> None:
    case, refined = source("refiner")
    _, fixed = source("shuffled columns")
    difference = np.abs(array(refined.draw(64, 0.0)) - array(fixed.draw(64, 0.0)))
    assert difference[:, :2].mean() < 0.3
    assert (difference[:, 3:] == 0).mean() > 0.98
    assert case.x.shape[1] == difference.shape[1]


@pytest.mark.parametrize(
    ("share", "progress", "learned"), [(0.5, 0.0, 0), (0.5, 0.5, 16), (0.5, 1.0, 32), (1.0, 0.5, 32), (1.0, 1.0, 64)]
)
def test_a_mixture_is_refined_more_and_more_often(share: float, progress: float, learned: int) -> None:
    _, mixed = source("mixture", Knobs(refined_share=share))
    _, fixed = source("shuffled columns")
    fixed.draw(64, 0.0)  # the mixture draws once for each of its sources
    apart = (array(mixed.draw(64, progress)) != array(fixed.draw(64, progress))).any(axis=1)
    assert apart[:learned].all()
    assert not apart[learned:].any()


@pytest.mark.parametrize(("share", "rows"), [(0.5, 1), (0.0, 7), (1.0, 7), (0.5, 7)])
def test_a_mixture_gives_a_sample_of_any_size_whatever_its_share(share: float, rows: int) -> None:
    case, fakes = source("mixture", Knobs(refined_share=share))
    assert fakes.sample(case.x, rows, 3).shape == (rows, case.x.shape[1])


def test_a_mixtures_generator_answers_for_its_own_rows_alone() -> None:
    _, mixed = source("mixture", Knobs(matching="non-saturating", pull_away_weight=0.8, complement_weight=0.5))
    mixed.draw(64, 1.0)
    (whole,) = mixed.losses(constant(OF_FAKES), constant(FEATURES), constant(REALNESS))
    terms = Terms("non-saturating", 0.8, 0.5)
    own = terms(constant(OF_FAKES[:32]), constant(FEATURES), constant(REALNESS[:32]))
    assert float(array(whole)) == pytest.approx(float(array(own)), rel=1e-4)


@pytest.mark.parametrize(
    ("matching", "naive"),
    [
        ("squared", lambda: losses.feature_matching(constant(OF_FAKES), constant(FEATURES))),
        ("absolute", lambda: losses.feature_matching_l1(constant(OF_FAKES), constant(FEATURES))),
        ("non-saturating", lambda: losses.non_saturating(constant(REALNESS))),
    ],
)
def test_what_a_generator_wants_is_a_choice_and_further_terms_are_added(matching: Matching, naive: Any) -> None:
    knobs = Knobs(matching=matching, pull_away_weight=0.8, complement_weight=0.5)
    _, fakes = source("generator", knobs)
    (got,) = fakes.losses(constant(OF_FAKES), constant(FEATURES), constant(REALNESS))
    further = 0.8 * losses.pull_away(constant(OF_FAKES)) + 0.5 * losses.complement(constant(REALNESS))
    assert float(array(got)) == pytest.approx(float(array(naive() + further)), rel=1e-5)


@pytest.mark.parametrize("kind", LEARNED)
def test_neighbours_are_made_from_numbers_one_unit_away(kind: str) -> None:
    _, fakes = source(kind, batch=64)
    here, there = (array(each) for each in fakes.neighbours(64))
    assert here.shape == there.shape
    assert (here != there).any()


def test_rows_that_are_not_generated_have_no_neighbours() -> None:
    _, fakes = source("shuffled columns")
    with pytest.raises(ParamsError, match=r"train\.manifold_weight needs fakes that a generator makes"):
        fakes.neighbours(8)


@pytest.mark.parametrize("kind", ["shuffled columns", "refiner", "mixture"])
def test_images_have_no_columns(kind: str) -> None:
    case = learner.images()
    with pytest.raises(ParamsError, match='must be "generator" for images'):
        fakes_for(kind, Shuffler(case), case.encoder, Knobs(), Draws(0), 0)


def test_a_source_that_is_not_there_is_refused_with_those_that_are() -> None:
    case = learner.classes()
    with pytest.raises(ParamsError, match="one of generator, shuffled columns, refiner, mixture; it is 'noise'"):
        fakes_for("noise", Shuffler(case), case.encoder, Knobs(), Draws(0), 0)
