"""The engine of `ssgan.learn` on the same networks and batch, on the backend that KERAS_BACKEND names.

KERAS_BACKEND=jax python ours.py W1 simultaneous float32
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from work import BETA1, EMA, RATE, WORKS, Window, Work, clocked, serve

from ssgan.config import TrainParams
from ssgan.contract import Contract
from ssgan.learn import backend
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.run import BETA1 as OURS
from ssgan.learn.run import WINDOW, Run

assert OURS == BETA1

# What our default for images adds, and no other peer has: rows that are moved, and the averaged network as a teacher.
ALIKE = {"unlabelled": 1, "stir": 1.0, "cutout": 0.0, "tint": 0.0, "recent": 1.0}  # as many rows of each kind
PLAIN = {"shift": 0, "warp": 0.0, "consistency": "none"}
SIZES = {784: (28, 28, 1), 3072: (32, 32, 3)}  # of images, by their numbers


def window_of(work: Work, update: str, precision: str) -> Window:
    """A run of the engine, its first steps done, as steps per second over a window.

    W1 is `ssgan.learn.flat` on 28 x 28 images; W2 is the table's network without embeddings, on 64 numbers instead of
    30 for the generator. Both draw uniform noise.
    """
    x, y, encoder, contract = given(work)
    flat = "ssgan.learn.flat" if work.columns == 784 else None
    params = TrainParams.model_validate(
        {
            **{"steps": 10**6, "batch": work.batch, "learning_rate": RATE, "ema": EMA, "hidden": work.hidden or (128,)},
            **{"networks": flat, "weight_norm": True, "fakes": "generator", "gan_weight": 1.0, "teacher_weight": 0.0},
            **{"update": update, "precision": precision, **ALIKE, **(PLAIN if work.hidden else {})},
        }
    )
    knobs = resolve(params, contract)
    run = Run(x, y, encoder, head_for(contract, y), knobs)
    done = 0

    def steps(count: int) -> None:
        nonlocal done
        run.advance(done, count)
        done += count

    at_once = WINDOW if work.columns < 100 or not backend.device().startswith("CPU") else 8
    steps(WINDOW)
    return clocked(steps, at_once)


def given(work: Work) -> tuple[np.ndarray, np.ndarray, Encoder, Contract]:
    """Encoded rows, labels, and an encoder that makes such rows."""
    _, classes, x = work.data()
    y = np.full(len(x), -1)
    y[: len(classes)] = classes
    described: dict[str, Any] = {f"x{place}": {"type": "number"} for place in range(work.columns)}
    if work.columns in SIZES:
        height, width, channels = SIZES[work.columns]
        described = {"picture": {"type": "image", "height": height, "width": width, "channels": channels}}
        x = x.reshape(-1, height, width, channels)
    label = {"column": "y", "classes": [f"{each}" for each in range(work.classes)]}
    contract = Contract.model_validate(
        {"name": "speed", "task": "classification", "label": label, "columns": described}
    )
    encoder = Encoder.fit({name: np.zeros(2) for name in described}, contract)  # constant columns: no embedding
    return x, y, encoder, contract


if __name__ == "__main__":
    serve(window_of(WORKS[sys.argv[1]], *sys.argv[2:4]))
