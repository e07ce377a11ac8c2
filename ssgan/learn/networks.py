"""Discriminators and generators, as Keras models: the built-in ones, or the user's.

No batch norm in a discriminator: labelled, unlabelled and fake rows go through it in one pass and must not see one
another. Noise takes its place as the regulariser, weight norm as the preconditioner; noise is there in training alone.
Layers compute in Keras's global dtype policy; weights, the last layer and what a network gives are float32 in any case.
"""

from __future__ import annotations

from typing import Any, Protocol

from ssgan.errors import ParamsError
from ssgan.learn.backend import Draws, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import Head
from ssgan.learn.images import image_features, image_generator
from ssgan.learn.layers import Initializer, seeds_from
from ssgan.learn.members import MemberDense
from ssgan.learn.normed import NormedDense
from ssgan.learn.normed import fold as fold
from ssgan.learn.normed import initialise as initialise
from ssgan.learn.normed import start_at as start_at
from ssgan.learn.tables import TableKnobs, table_features, table_generator, table_refiner
from ssgan.learn.theirs import their_discriminator, their_generator

layers = keras.layers

LATENT = 64  # uniform numbers a fake is made from
FIRST_OUTPUTS = 0.1  # share of the usual size that the first outputs have: the first answers should be unsure


class NetKnobs(TableKnobs, Protocol):
    """What of a run's knobs the networks are made from."""

    @property
    def networks(self) -> str | None:
        """The user's own networks, `package.module` or `package.module:name`; see `theirs.py`."""


def discriminator(encoder: Encoder, head: Head, knobs: NetKnobs, draws: Draws, seed: int) -> Any:
    """A Keras model x -> [features h [n, H], outputs [n, head.width]], both float32.

    With k > 1 members, outputs are [n, k, head.width], and h holds the features of all members side by side.

    Args:
        encoder: gives the shape of a row, and a table's bins.
        head: reads the outputs.
        knobs: of the networks.
        draws: noise.
        seed: of the initial weights, which are the same on every backend.

    Raises:
        ParamsError: if the user's own network cannot be used.
    """
    if knobs.networks is not None:
        return their_discriminator(knobs.networks, encoder, head, draws, seed)
    seeds, x = seeds_from(seed), keras.Input(encoder.shape, name="x")
    if encoder.image is not None:
        h = image_features(x, knobs.weight_norm, knobs.noise, draws, seeds)
    else:
        h = table_features(x, encoder, knobs, draws, seeds)
    h = layers.Activation("linear", dtype="float32", name="features")(h)
    outputs = _outputs(head.width, knobs, encoder.image is None, next(seeds))(h)
    features = layers.Flatten(name="side_by_side", dtype="float32")(h) if len(h.shape) == 3 else h
    return keras.Model(x, [features, outputs], name="discriminator")


def _outputs(width: int, knobs: NetKnobs, table: bool, seed: int) -> Any:
    """Of images a plain layer: a learned scale moves by a learning rate a step, too slowly for answers to be sure."""
    if knobs.members > 1:
        return MemberDense(knobs.members, width, seed, FIRST_OUTPUTS, "outputs", dtype="float32")
    if knobs.weight_norm and table:
        return NormedDense(width, seed, "outputs", FIRST_OUTPUTS, learn_scale=True, dtype="float32")
    return layers.Dense(width, kernel_initializer=Initializer(seed, FIRST_OUTPUTS), name="outputs", dtype="float32")


def generator(encoder: Encoder, knobs: NetKnobs, seed: int, residual: bool = False) -> Any:
    """A Keras model: uniform numbers [n, LATENT] in [-1, 1] -> encoded rows of the encoder's shape, float32.

    Args:
        encoder: gives the shape of a row.
        knobs: of the networks.
        seed: of the initial weights, which are the same on every backend.
        residual: whether the model takes [numbers, encoded rows of a table] and changes these rows.

    Raises:
        ParamsError: if images are to be refined, or the user's own network cannot be used.
    """
    if knobs.networks is not None and not residual:
        theirs = their_generator(knobs.networks, encoder, seed)
        if theirs is not None:
            return theirs
    seeds, z = seeds_from(seed), keras.Input((LATENT,), name="z")
    if residual:
        if encoder.image is not None:
            raise ParamsError('fakes by "refiner" must be rows of a table; these are images: use "generator"')
        row = keras.Input(encoder.shape, name="shuffled")
        return keras.Model([z, row], table_refiner(z, row, encoder, seeds), name="refiner")
    table = encoder.image is None
    rows = table_generator(z, encoder, seeds) if table else image_generator(z, encoder.shape, seeds)
    return keras.Model(z, rows, name="generator")
