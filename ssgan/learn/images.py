"""Networks for images of 8 x 8 to 64 x 64 pixels, grey or in colour.

Strided convolutions: the size is halved by every layer, so that most of the work is done where there are few places
(8 x 8 x 1: 0.5 million products a row, 32 x 32 x 3: 3.2 million). `deep.py` has a network of twenty times the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ssgan.learn.backend import Draws, Tensor, keras
from ssgan.learn.knobs import SMALL_IMAGE
from ssgan.learn.layers import BatchStandardise, ChannelDropout, Contrast, Initializer, Noise
from ssgan.learn.normed import NormedConv, NormedDeconv, NormedDense

layers = keras.layers

SLOPE = 0.2  # of leaky ReLU below 0
DROPOUT = 0.05  # of channels
WHOLE = 128  # features


def image_features(x: Tensor, weight_norm: bool, noise: float, draws: Draws, seeds: Iterator[int]) -> Tensor:
    """Features h [n, WHOLE] of images [n, height, width, channels].

    Strided convolutions down to 2 x 2 .. 4 x 4, then a layer that sees every place by itself: with the mean over the
    places, which forgets where a stroke is, digits take many times as long to learn. Images in colour are taken for
    photographs, whose brightness and contrast are those of the light; grey values are often a measurement, and stay as
    they are.
    """
    conv, size = Convolutions(seeds, weight_norm), max(x.shape[1], x.shape[2])
    most = min(128, 8 * min(x.shape[1], x.shape[2]))  # small images have little to tell apart
    h = Contrast(name="contrast")(x) if x.shape[-1] == 3 else x
    h = Noise(noise, draws, "noise")(h)
    h = conv(h, 32) if size < SMALL_IMAGE else conv(h, 32, size=5, stride=2)
    channels = min(64, most)
    while max(h.shape[1], h.shape[2]) > 4 or conv.made < 3:
        h = conv(h, channels, stride=2)
        h = ChannelDropout(DROPOUT, draws, f"dropout_{conv.made}")(h)
        channels = min(2 * channels, most)
    seed, h = next(seeds), layers.Flatten(name="flat")(h)
    if weight_norm:
        h = NormedDense(WHOLE, seed, "whole")(h)
    else:
        h = layers.Dense(WHOLE, kernel_initializer=Initializer(seed), name="whole")(h)
    return layers.LeakyReLU(SLOPE, name="leaky_whole", dtype="float32")(h)


class Convolutions:
    """Makes convolutions with leaky ReLU, numbered in the order they are made."""

    def __init__(self, seeds: Iterator[int], weight_norm: bool = True) -> None:
        self._weight_norm, self._seeds, self.made = weight_norm, seeds, 0

    def __call__(self, x: Tensor, channels: int, size: int = 3, stride: int = 1, padding: str = "same") -> Tensor:
        name, seed = f"conv_{self.made}", next(self._seeds)
        self.made += 1
        if self._weight_norm:
            layer: Any = NormedConv(channels, size, stride, seed, name, padding)
        else:
            layer = layers.Conv2D(
                channels, size, stride, padding=padding, kernel_initializer=Initializer(seed), name=name
            )
        return layers.LeakyReLU(SLOPE, name=f"leaky_{name}")(layer(x))


def image_generator(z: Tensor, shape: tuple[int, ...], seeds: Iterator[int]) -> Tensor:
    """Images in [-1, 1]: transposed convolutions from 2 x 2 .. 4 x 4 up (DCGAN, Radford et al. 2016, arXiv:1511.06434).

    Improved GAN's generator with batch statistics, a normed last layer, and channels that fall by half per doubling.
    """
    height, width, colours = shape
    doublings = max(2, math.ceil(math.log2(max(height, width) / 4)))
    rows, columns = math.ceil(height / 2**doublings), math.ceil(width / 2**doublings)
    channels = 64 if colours == 1 else 128
    initial = Initializer(next(seeds))
    h = layers.Dense(rows * columns * channels, use_bias=False, kernel_initializer=initial, name="seed")(z)
    h = layers.Reshape((rows, columns, channels), name="grid")(h)
    for place in range(doublings - 1):
        h = layers.LeakyReLU(SLOPE, name=f"leaky_{place}")(BatchStandardise(name=f"standard_{place}")(h))
        channels = max(channels // 2, 16)
        initial, name = Initializer(next(seeds)), f"deconv_{place}"
        h = layers.Conv2DTranspose(
            channels, 4, 2, padding="same", use_bias=False, kernel_initializer=initial, name=name
        )(h)
    h = layers.LeakyReLU(SLOPE, name="leaky_last")(BatchStandardise(name="standard_last")(h))
    pixels = NormedDeconv(colours, 4, next(seeds), "pixels")(h)
    pixels = layers.Activation("tanh", name="range", dtype="float32")(pixels)
    return pixels[:, :height, :width, :]
