"""Where fake rows come from: a generator that learns, or real columns put together anew."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ssgan.learn import losses
from ssgan.learn.backend import Draws, Tensor, Variable, constant, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.networks import LATENT, generator

ops = keras.ops


class Fakes(Protocol):
    """A source of fake rows."""

    @property
    def weights(self) -> list[Variable]:
        """What the source learns; none if it does not learn."""

    def draw(self, rows: int) -> Tensor:
        """Encoded fake rows, [rows, ...]."""

    def losses(self, features_of_fakes: Tensor, features: Tensor) -> tuple[Tensor, ...]:
        """What the source minimises, given the discriminator's features of its fakes and of unlabelled rows."""


class GeneratorFakes:
    """A generator trained by feature matching (Salimans et al. 2016)."""

    def __init__(self, encoder: Encoder, draws: Draws, seed: int) -> None:
        self.model: Any = generator(encoder, seed)
        self._draws = draws

    @property
    def weights(self) -> list[Variable]:
        return list(self.model.trainable_variables)

    def draw(self, rows: int) -> Tensor:
        return self.model(self._draws.uniform((rows, LATENT), -1.0, 1.0), training=True)

    def losses(self, features_of_fakes: Tensor, features: Tensor) -> tuple[Tensor, ...]:
        return (losses.feature_matching(features_of_fakes, ops.stop_gradient(features)),)


class ShuffledColumns:
    """Rows whose columns come each from another real row: the discriminator learns which values belong together.

    With them the realness estimates log p(x) / prod_j p(x_j). Nothing here is learned. Tables only.
    """

    def __init__(self, x: np.ndarray, encoder: Encoder, draws: Draws) -> None:
        self._flat, self._draws = constant(x.reshape(-1)), draws
        self._rows, self._width = x.shape
        self._groups = np.asarray(encoder.groups, np.int32)
        self._columns = len(encoder.parts)

    @property
    def weights(self) -> list[Variable]:
        return []

    def draw(self, rows: int) -> Tensor:
        source = self._draws.integers((rows, self._columns), self._rows)
        source = ops.take(source, self._groups, axis=1)  # all features of a column from the same row
        return ops.take(self._flat, source * self._width + np.arange(self._width, dtype=np.int32))

    def losses(self, features_of_fakes: Tensor, features: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        return ()
