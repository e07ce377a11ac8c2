"""Where fake rows come from: a generator that learns, real columns put together anew, or something between.

| source           | a fake is                                                          | learns |
| ---------------- | ------------------------------------------------------------------ | ------ |
| generator        | made from random numbers                                           | yes    |
| shuffled columns | made of columns that come each from another real row; tables only  | no     |
| refiner          | a shuffled row, changed by a generator; tables only                | yes    |
| mixture          | shuffled at first, refined more and more often; tables only        | yes    |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np

from ssgan.config import FakesKind
from ssgan.errors import ParamsError
from ssgan.learn import losses
from ssgan.learn.backend import Draws, Tensor, Variable, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.networks import NetKnobs, generator

ops = keras.ops

Matching = Literal["squared", "absolute", "non-saturating"]

SAMPLED_AT_ONCE = 256


class Fakes(Protocol):
    """A source of fake rows."""

    @property
    def models(self) -> list[Any]:
        """Its networks."""

    @property
    def weights(self) -> list[Variable]:
        """What it learns; none if it does not learn."""

    def draw(self, rows: int, progress: Tensor) -> Tensor:
        """Encoded fake rows of a step, [rows, ...]; `progress` is the share of the training that is done."""

    def losses(self, features_of_fakes: Tensor, features: Tensor, realness_of_fakes: Tensor) -> tuple[Tensor, ...]:
        """What the source minimises, one loss or none.

        Args:
            features_of_fakes: the discriminator's features of the rows drawn last, [m, H].
            features: those of unlabelled rows, [n, H]; no gradient flows into them.
            realness_of_fakes: [m, ..., 1].
        """

    def neighbours(self, rows: int) -> tuple[Tensor, Tensor]:
        """Fake rows, and those made from numbers one unit away; for the manifold term. Learned sources only."""

    def sample(self, x: np.ndarray, rows: int, seed: int) -> np.ndarray:
        """Encoded fake rows as at the end of training, outside of it, [rows, ...].

        Args:
            x: encoded real rows.
            rows: how many.
            seed: equal seeds give equal rows.
        """


class Shuffles(Protocol):
    """Where shuffled rows come from while training; see `pool.py`."""

    def shuffled(self) -> Tensor:
        """Rows [batch, F] of a table whose columns come each from another row."""


class FakeKnobs(NetKnobs, Protocol):
    """What of a run's knobs the fakes are made from."""

    @property
    def matching(self) -> Matching:
        """What a generator wants: its fakes' features to have the mean of real ones, or to be taken for real."""

    @property
    def pull_away_weight(self) -> float:
        """Of the pull-away term, which keeps fakes apart."""

    @property
    def complement_weight(self) -> float:
        """Of the complement term, which keeps fakes off the data."""

    @property
    def refined_share(self) -> float:
        """Of a mixture's rows, at the end of training."""


@dataclass(frozen=True)
class Terms:
    """A generator's loss: matching + pull-away + complement."""

    matching: Matching = "squared"
    pull_away_weight: float = 0.0
    complement_weight: float = 0.0

    def __call__(
        self, features_of_fakes: Tensor, features: Tensor, realness_of_fakes: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        """A scalar; `weights` [m] leaves out fakes that the generator has not made."""
        features = ops.stop_gradient(features)
        match self.matching:
            case "squared":
                total = losses.feature_matching(features_of_fakes, features, weights)
            case "absolute":
                total = losses.feature_matching_l1(features_of_fakes, features, weights)
            case "non-saturating":
                total = losses.non_saturating(realness_of_fakes, weights)
        if self.pull_away_weight:
            total = total + self.pull_away_weight * losses.pull_away(features_of_fakes, weights)
        if self.complement_weight:
            total = total + self.complement_weight * losses.complement(realness_of_fakes, weights=weights)
        return total


class GeneratorFakes:
    """Rows that a generator makes from random numbers (Salimans et al. 2016)."""

    def __init__(self, model: Any, draws: Draws, terms: Terms) -> None:
        self._model, self._draws, self._terms = model, draws, terms
        self._latent = int(model.inputs[0].shape[-1])

    @property
    def models(self) -> list[Any]:
        return [self._model]

    @property
    def weights(self) -> list[Variable]:
        return list(self._model.trainable_variables)

    def draw(self, rows: int, progress: Tensor) -> Tensor:  # noqa: ARG002
        return self._made(self._numbers(rows))

    def losses(self, features_of_fakes: Tensor, features: Tensor, realness_of_fakes: Tensor) -> tuple[Tensor, ...]:
        return (self._terms(features_of_fakes, features, realness_of_fakes),)

    def neighbours(self, rows: int) -> tuple[Tensor, Tensor]:
        numbers = self._numbers(rows)
        return self._made(numbers), self._made(numbers + losses.unit(self._draws.normal((rows, self._latent))))

    def sample(self, x: np.ndarray, rows: int, seed: int) -> np.ndarray:
        source = np.random.default_rng(seed)
        parts = []
        for _ in range(0, rows, SAMPLED_AT_ONCE):  # whole batches: its layers standardise over them
            numbers = source.uniform(-1.0, 1.0, (SAMPLED_AT_ONCE, self._latent)).astype(np.float32)
            parts.append(np.asarray(ops.convert_to_numpy(self._sampled(numbers, x, source))))
        return np.concatenate(parts)[:rows]

    def _numbers(self, rows: int) -> Tensor:
        """z, uniform in [-1, 1], [rows, Z]."""
        return self._draws.uniform((rows, self._latent), -1.0, 1.0)

    def _made(self, numbers: Tensor) -> Tensor:
        return self._model(numbers, training=True)

    def _sampled(self, numbers: np.ndarray, x: np.ndarray, source: np.random.Generator) -> Tensor:  # noqa: ARG002
        return self._model(ops.convert_to_tensor(numbers), training=True)


class ShuffledColumns:
    """Rows whose columns come each from another real row: the discriminator learns which values belong together.

    With them the realness estimates log p(x) / prod_j p(x_j). Nothing here is learned. Tables only.
    """

    def __init__(self, pool: Shuffles, encoder: Encoder) -> None:
        self._pool, self._encoder = pool, encoder

    @property
    def models(self) -> list[Any]:
        return []

    @property
    def weights(self) -> list[Variable]:
        return []

    def draw(self, rows: int, progress: Tensor) -> Tensor:  # noqa: ARG002
        return self._pool.shuffled()[:rows]

    def losses(self, features_of_fakes: Tensor, features: Tensor, realness_of_fakes: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        return ()

    def neighbours(self, rows: int) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        raise ParamsError(
            'train.manifold_weight needs fakes that a generator makes; they are "shuffled columns": set it to 0'
        )

    def sample(self, x: np.ndarray, rows: int, seed: int) -> np.ndarray:
        return shuffled(x, rows, self._encoder, np.random.default_rng(seed))


class RefinedRows(GeneratorFakes):
    """Shuffled rows that a generator changes: it starts next to the best fakes that are not learned."""

    def __init__(self, model: Any, pool: Shuffles, encoder: Encoder, draws: Draws, terms: Terms) -> None:
        super().__init__(model, draws, terms)
        self._pool, self._encoder = pool, encoder

    def _made(self, numbers: Tensor) -> Tensor:
        return self._model([numbers, self._pool.shuffled()[: numbers.shape[0]]], training=True)

    def _sampled(self, numbers: np.ndarray, x: np.ndarray, source: np.random.Generator) -> Tensor:
        rows = shuffled(x, len(numbers), self._encoder, source)
        return self._model([ops.convert_to_tensor(numbers), ops.convert_to_tensor(rows)], training=True)


class Mixture:
    """Rows of two sources. The share of the learned one rises in a line from 0 to `last_share`."""

    def __init__(self, learned: GeneratorFakes, fixed: Fakes, terms: Terms, last_share: float) -> None:
        self._learned, self._fixed, self._terms, self._last_share = learned, fixed, terms, last_share

    @property
    def models(self) -> list[Any]:
        return self._learned.models

    @property
    def weights(self) -> list[Variable]:
        return self._learned.weights

    def draw(self, rows: int, progress: Tensor) -> Tensor:
        """The share is met to within one row at every step, without chance: the first rows are the learned ones."""
        learned, fixed = self._learned.draw(rows, progress), self._fixed.draw(rows, progress)
        last = ops.cast(progress, "float32") * (self._last_share * rows)
        self._is_learned = ops.cast(ops.arange(rows, dtype="float32") + 0.5 < last, "float32")  # read by `losses`
        is_learned = ops.reshape(self._is_learned, (rows, *[1] * (len(learned.shape) - 1)))
        return is_learned * learned + (1.0 - is_learned) * fixed

    def losses(self, features_of_fakes: Tensor, features: Tensor, realness_of_fakes: Tensor) -> tuple[Tensor, ...]:
        """Of the learned rows alone: the generator must not make up for the others."""
        return (self._terms(features_of_fakes, features, realness_of_fakes, self._is_learned),)

    def neighbours(self, rows: int) -> tuple[Tensor, Tensor]:
        return self._learned.neighbours(rows)

    def sample(self, x: np.ndarray, rows: int, seed: int) -> np.ndarray:
        learned = round(self._last_share * rows)
        counts = (self._learned, learned, seed), (self._fixed, rows - learned, seed + 1)
        return np.concatenate([source.sample(x, count, start) for source, count, start in counts if count])


def shuffled(x: np.ndarray, rows: int, encoder: Encoder, source: np.random.Generator) -> np.ndarray:
    """Rows [rows, F] whose columns come each from another row of x; all features of a column from the same one."""
    groups = np.asarray(encoder.groups)
    chosen = source.integers(len(x), size=(rows, len(encoder.parts)))[:, groups]
    return np.asarray(x[chosen, np.arange(x.shape[1])], np.float32)


def fakes_for(kind: str, pool: Shuffles, encoder: Encoder, knobs: FakeKnobs, draws: Draws, seed: int) -> Fakes:
    """The source of that name.

    Args:
        kind: one of `FakesKind`.
        pool: of the training rows.
        encoder: that made them.
        knobs: of the networks and of the generator's loss.
        draws: random numbers.
        seed: of the initial weights.

    Raises:
        ParamsError: if there is no such source, or it does not go with images.
    """
    if kind not in get_args(FakesKind):
        raise ParamsError(f"train.fakes must be one of {', '.join(get_args(FakesKind))}; it is {kind!r}: set one")
    if encoder.image is not None and kind != "generator":
        raise ParamsError(f'train.fakes must be "generator" for images, which have no columns; it is "{kind}"')
    terms = Terms(knobs.matching, knobs.pull_away_weight, knobs.complement_weight)
    if kind == "generator":
        return GeneratorFakes(generator(encoder, knobs, seed), draws, terms)
    columns = ShuffledColumns(pool, encoder)
    if kind == "shuffled columns":
        return columns
    refined = RefinedRows(generator(encoder, knobs, seed, residual=True), pool, encoder, draws, terms)
    return refined if kind == "refiner" else Mixture(refined, columns, terms, knobs.refined_share)
