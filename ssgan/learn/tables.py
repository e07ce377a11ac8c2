"""Networks for table rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, Protocol

from ssgan.learn.backend import Draws, Tensor, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.layers import BatchStandardise, Initializer, Noise, Periodic, PiecewiseLinear, RawRow, TableRow
from ssgan.learn.members import MemberScale
from ssgan.learn.normed import NormedDense

layers = keras.layers

HIDDEN_NOISE = 2.0  # times that of the input
SLOPE = 0.1  # of leaky ReLU below 0
GENERATOR = (128, 128)
LIGHT = 12_000_000  # products in the hidden layers that labelled rows of a step are worth, see `is_light`


class TableKnobs(Protocol):
    """What of a run's knobs a table's discriminator is made from."""

    @property
    def hidden(self) -> Sequence[int]:
        """Widths of the hidden layers."""

    @property
    def members(self) -> int:
        """Weight-sharing members; 1 for a plain network."""

    @property
    def weight_norm(self) -> bool:
        """Whether kernels are normalised; then call `initialise` before training and `fold` before export."""

    @property
    def noise(self) -> float:
        """Standard deviation of the noise on encoded rows; twice that on hidden layers."""

    @property
    def embedding(self) -> Literal["piecewise", "periodic", "none"]:
        """What the network sees of a number beside its value."""


class StepKnobs(TableKnobs, Protocol):
    """What of a run's knobs says how much work a step is."""

    @property
    def batch(self) -> int:
        """Labelled rows in a step."""

    @property
    def networks(self) -> str | None:
        """The user's own networks."""


def is_light(encoder: Encoder, knobs: StepKnobs) -> bool:
    """Whether a step's operations are so small that cores lose by dividing them (`benchmarks/cores.py`).

    The built-in networks' are by default, up to about 80 numeric columns.
    """
    if encoder.image is not None or knobs.networks is not None:
        return False
    bins = sum(len(part.edges) for part in encoder.numbers)  # about, whatever the embedding
    weights = sum(rows * columns for rows, columns in pairwise((encoder.width + bins, *knobs.hidden)))
    return knobs.batch * knobs.members * weights <= LIGHT


def table_features(x: Tensor, encoder: Encoder, knobs: TableKnobs, draws: Draws, seeds: Iterator[int]) -> Tensor:
    """Features h of encoded rows [n, F]: [n, H], or [n, members, H] where there are several.

    Values go in as they are and once more embedded: in bins, which let a narrow network bend where the data are, or as
    waves.
    """
    members = knobs.members
    h = Noise(knobs.noise, draws, "noise", dtype="float32")(x)
    embedding = _embedding(encoder, knobs.embedding, seeds)
    if embedding is not None:
        h = layers.Concatenate(name="embedded")([h, embedding(h)])
    if members > 1:
        h = MemberScale(members, "members", signs=next(seeds))(h)
    for place, width in enumerate(knobs.hidden):
        if place:
            h = Noise(HIDDEN_NOISE * knobs.noise, draws, f"noise_{place}")(h)
            h = MemberScale(members, f"inputs_{place}")(h) if members > 1 else h
        h = _dense(width, knobs.weight_norm, next(seeds), f"hidden_{place}")(h)
        h = MemberScale(members, f"outputs_{place}", shift=True)(h) if members > 1 else h
        h = layers.LeakyReLU(SLOPE, name=f"leaky_{place}")(h)
    return h


def _embedding(encoder: Encoder, kind: str, seeds: Iterator[int]) -> Any | None:
    if kind == "periodic":
        return Periodic(len(encoder.numbers), next(seeds), "periodic") if encoder.numbers else None
    piecewise = PiecewiseLinear(encoder, "piecewise")
    return piecewise if kind == "piecewise" and piecewise.bins else None


def _dense(width: int, weight_norm: bool, seed: int, name: str) -> Any:
    if weight_norm:
        return NormedDense(width, seed, name)
    return layers.Dense(width, kernel_initializer=Initializer(seed), name=name)


def table_generator(z: Tensor, encoder: Encoder, seeds: Iterator[int]) -> Tensor:
    """Rows from numbers z [n, LATENT]: linear values, hard flags and categories with soft gradients."""
    return TableRow(encoder, "row")(_raw(z, encoder, 1.0, seeds))


def table_refiner(z: Tensor, row: Tensor, encoder: Encoder, seeds: Iterator[int]) -> Tensor:
    """Rows from given rows [n, F] and numbers z: what is learned is added, and is next to nothing at first."""
    change = _raw(layers.Concatenate(name="given")([z, row]), encoder, 0.1, seeds)
    return TableRow(encoder, "row")(layers.Add(name="changed")([RawRow(encoder, "kept")(row), change]))


def _raw(h: Tensor, encoder: Encoder, gain: float, seeds: Iterator[int]) -> Tensor:
    for place, width in enumerate(GENERATOR):
        h = layers.Dense(width, use_bias=False, kernel_initializer=Initializer(next(seeds)), name=f"hidden_{place}")(h)
        h = layers.LeakyReLU(SLOPE, name=f"leaky_{place}")(BatchStandardise(name=f"standard_{place}")(h))
    last = Initializer(next(seeds), gain)
    return layers.Dense(encoder.width, kernel_initializer=last, name="raw", dtype="float32")(h)
