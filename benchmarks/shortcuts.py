"""Do the shortcuts that make a step fast cost accuracy? On scikit-learn's 8x8 digits with 100 labels.

    python benchmarks/shortcuts.py

The engine draws uniform noise where the papers draw normal noise, and updates both players from one pass where they
update one after the other. Each is taken back alone; the same five draws of the labels for all. The networks are those
of Improved GAN for MNIST (`ssgan.learn.flat`). Results: benchmarks/results/shortcuts.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from sklearn.datasets import load_digits

from ssgan.config import TrainParams
from ssgan.contract import Contract
from ssgan.learn import backend, layers
from ssgan.learn.backend import keras
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.run import Run, task_and_realness

RESULT = Path(__file__).parent / "results" / "shortcuts.json"
LABELLED, CANDIDATES, TEST = 10, 60, 500  # rows of each class, rows of each class a draw chooses from, test rows
VARIANTS = {
    "as it is: uniform noise, simultaneous": ("uniform", "simultaneous"),
    "normal noise": ("normal", "simultaneous"),
    "one after the other": ("uniform", "alternating"),
}
UNIFORM = layers.Noise.call

RECIPE = {  # moved images, Mean Teacher and the real/fake term alike, as many rows of each kind
    **{"batch": 64, "unlabelled": 1, "stir": 1.0, "cutout": 0.0, "ema": 0.99, "recent": 1.0, "ramp": 0.25},
    **{"gan_weight": 1.0, "consistency_weight": 1.0},
}


def normal(self: Any, x: Any, training: bool = False) -> Any:
    """`Noise` as the papers have it, of the same deviation."""
    return x + self._reach / 3**0.5 * self._draws.normal(keras.ops.shape(x)) if training else x


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images in [-1, 1], labels where a draw may choose them (-1 elsewhere), test images, their labels."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x, truth = (digits.images[order] / 8 - 1).astype(np.float32)[..., None], digits.target[order]
    train = truth[TEST:]
    y = np.full(len(train), -1)
    for each in range(10):
        places = np.flatnonzero(train == each)[:CANDIDATES]
        y[places] = each
    return x[TEST:], y, x[:TEST], truth[:TEST]


def measure(noise: str, update: str, steps: int, draws: int) -> dict[str, Any]:
    """Test errors, one per draw of the labels; nothing is compiled again between them."""
    x, y, test, truth = rows()
    described = {"picture": {"type": "image", "height": 8, "width": 8}}
    label = {"column": "y", "classes": [f"{each}" for each in range(10)]}
    contract = Contract.model_validate(
        {"name": "digits", "task": "classification", "label": label, "columns": described}
    )
    layers.Noise.call = normal if noise == "normal" else UNIFORM  # type: ignore[method-assign]
    params = TrainParams.model_validate({**RECIPE, "steps": steps, "networks": "ssgan.learn.flat", "update": update})
    head = head_for(contract, y)
    run = Run(x, y, Encoder.fit({}, contract), head, resolve(params, contract))
    labels, errors, spent = y[y >= 0], [], 0.0
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(labels))
        chosen = np.zeros(len(labels), bool)
        for each in range(10):
            chosen[[place for place in order if labels[place] == each][:LABELLED]] = True
        run.begin(chosen, None)
        run.advance(0, 1)  # compiled by the first
        start = time.process_time()
        run.advance(1, steps - 1)
        spent += time.process_time() - start
        errors.append(float((task_and_realness(run.nets.average, head, test)[0].argmax(axis=1) != truth).mean()))
    return {
        "error": round(statistics.mean(errors), 4),
        "deviation over draws": round(statistics.stdev(errors), 4) if draws > 1 else None,
        "errors": [round(each, 4) for each in errors],
        "cpu milliseconds per step": round(1000 * spent / draws / steps, 1),
    }


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    backend.deterministic(0)
    table = {}
    for name, (noise, update) in VARIANTS.items():
        table[name] = measure(noise, update, given.steps, given.draws)
        print(f"{name:40} {table[name]}", flush=True)
    result = {"machine": describe(), "backend": backend.name, "steps": given.steps, "variants": table}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
