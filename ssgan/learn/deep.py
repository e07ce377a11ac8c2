"""The nine-layer network of Improved GAN and BadGAN, for images of 24 pixels and more: `networks: ssgan.learn.deep`.

Three convolutions for each halving of the size down to 8 x 8, then three more (Salimans et al. 2016; Dai et al. 2017),
with the stride one layer earlier: half the products (32 x 32 x 3: 70 million a row instead of 130). For a GPU, and for
long runs. The generator is the built-in one.
"""

from __future__ import annotations

import math
from typing import Any

from ssgan.learn.backend import Draws, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import Head
from ssgan.learn.images import Convolutions
from ssgan.learn.layers import ChannelDropout, Noise, seeds_from
from ssgan.learn.normed import NormedDense

layers = keras.layers

NOISE = 0.05
DROPOUT = 0.5
FIRST = 0.1  # deviation of the first outputs: the first answers should be unsure


def discriminator(encoder: Encoder, head: Head, draws: Draws, seed: int) -> Any:
    """x -> [features [n, 128 or 64], outputs [n, head.width]]."""
    seeds, x = seeds_from(seed), keras.Input(encoder.shape, name="x")
    conv, h = Convolutions(seeds), Noise(NOISE, draws, "noise")(x)
    most = 128 if x.shape[-1] == 3 else 64
    blocks = max(0, math.ceil(math.log2(max(x.shape[1], x.shape[2]) / 8)))
    for block in range(blocks):
        channels = max(most // 2 ** (blocks - 1 - block), 32)
        h = conv(conv(conv(h, channels), channels, stride=2), channels)
        h = ChannelDropout(DROPOUT, draws, f"dropout_{block}")(h)
    h = conv(h, most, padding="valid" if min(h.shape[1], h.shape[2]) > 4 else "same")
    h = conv(conv(h, most, size=1), most, size=1)
    features = layers.GlobalAveragePooling2D(name="features", dtype="float32")(h)
    outputs = NormedDense(head.width, next(seeds), "outputs", FIRST, learn_scale=True, dtype="float32")(features)
    return keras.Model(x, [features, outputs], name="discriminator")
