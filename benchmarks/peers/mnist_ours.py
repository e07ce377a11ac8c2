"""MNIST with 100 labels by the engine of `ssgan.learn`, on the backend that KERAS_BACKEND names.

KERAS_BACKEND=jax python mnist_ours.py DIR DRAW STEPS EVERY simultaneous uniform float32 [plain|moved|default]

`moved`: with images that are moved and Mean Teacher beside Improved GAN's recipe; see `ours.PLAIN`. `default`: the
product as a user has it who sets nothing but steps (0: not even these) and precision; update and noise are its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from mnist import Mnist, follow
from ours import ALIKE, PLAIN, given
from work import RATE, WORKS

from ssgan.config import TrainParams
from ssgan.learn import backend, layers
from ssgan.learn import run as run_module
from ssgan.learn.backend import keras
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve


def normal_noise(self: Any, x: Any, training: bool = False) -> Any:
    """As the papers have it, of the same deviation; takes longer to draw."""
    return x + self._reach / 3**0.5 * self._draws.normal(keras.ops.shape(x)) if training else x


def main(
    folder: Path, draw: int, steps: int, every: int, update: str, noise: str, precision: str, recipe: str = "plain"
) -> None:
    """Trains, and tells what it has reached."""
    if noise == "normal":
        layers.Noise.call = normal_noise
    data = Mnist.read(folder, draw)
    _, _, encoder, contract = given(WORKS["W1"])
    params = TrainParams(steps=steps or None, seed=draw, precision=precision)
    if recipe != "default":
        params = _improved_gan(params, update, recipe)
    x, head = data.x.reshape(-1, 28, 28, 1), head_for(contract, data.y)
    knobs = resolve(params, contract, x)
    run = run_module.Run(x, data.y, encoder, head, knobs)

    def logits(x: np.ndarray) -> np.ndarray:
        return run_module.task_and_realness(run.nets.average, head, x.reshape(-1, 28, 28, 1))[0]

    follow(run.advance, logits, data, knobs.steps, every, backend.device())


def _improved_gan(params: TrainParams, update: str, recipe: str) -> TrainParams:
    """With the paper's networks and as many rows of each kind as it has."""
    return TrainParams.model_validate(
        {
            **params.model_dump(exclude_unset=True),
            **{"batch": 100, "learning_rate": RATE, "networks": "ssgan.learn.flat"},
            **{"update": update, "gan_weight": 1.0, "fakes": "generator", "ramp": 0.0},
            **{**ALIKE, "ema": 0.99, "consistency_weight": 1.0, **(PLAIN if recipe == "plain" else {})},
        }
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]), *sys.argv[5:9])  # type: ignore[arg-type]
