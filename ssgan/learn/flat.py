"""Networks without convolutions for images, as Improved GAN has them for MNIST; `train.networks: ssgan.learn.flat`.

Five normed layers with normal-strength noise before each (Salimans et al. 2016, and its published code), and a
generator of two, whose last layer is not the paper's: see `normed.py`. Also an example of networks of one's own.
"""

from __future__ import annotations

from typing import Any

from ssgan.learn.backend import Draws, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import Head
from ssgan.learn.layers import BatchStandardise, Initializer, Noise, seeds_from
from ssgan.learn.normed import NormedDense, NormedPixels

layers = keras.layers

HIDDEN = (1000, 500, 250, 250, 250)
INPUT_NOISE, HIDDEN_NOISE = 0.6, 0.5  # 0.3 of [0, 1] is 0.6 of [-1, 1]
LATENT, GENERATOR = 100, (500, 500)


def discriminator(encoder: Encoder, head: Head, draws: Draws, seed: int) -> Any:
    """x -> [features [n, 250], outputs [n, head.width]]."""
    seeds, x = seeds_from(seed), keras.Input(encoder.shape, name="x")
    h = Noise(INPUT_NOISE, draws, "noise")(layers.Flatten(name="flat")(x))
    for place, width in enumerate(HIDDEN):
        h = Noise(HIDDEN_NOISE, draws, f"noise_{place}")(h) if place else h
        h = layers.ReLU(name=f"relu_{place}")(NormedDense(width, next(seeds), f"hidden_{place}")(h))
    features = layers.Activation("linear", dtype="float32", name="features")(h)
    h = Noise(HIDDEN_NOISE, draws, "noise_last")(features)
    outputs = NormedDense(head.width, next(seeds), "outputs", learn_scale=True, dtype="float32")(h)
    return keras.Model(x, [features, outputs], name="discriminator")


def generator(encoder: Encoder, seed: int) -> Any:
    """Numbers [n, 100] -> images in [-1, 1]."""
    seeds, z = seeds_from(seed), keras.Input((LATENT,), name="z")
    h = z
    for place, width in enumerate(GENERATOR):
        h = layers.Dense(width, use_bias=False, kernel_initializer=Initializer(next(seeds)), name=f"hidden_{place}")(h)
        h = layers.Activation("softplus", name=f"softplus_{place}")(BatchStandardise(name=f"standard_{place}")(h))
    pixels = NormedPixels(encoder.width, next(seeds), "pixels")(h)
    return keras.Model(z, layers.Reshape(encoder.shape, name="image")(pixels), name="generator")
