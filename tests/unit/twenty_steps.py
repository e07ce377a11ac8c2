"""Prints the losses of 20 steps per task, from random numbers that are the same on every backend."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import jax
from fixed_draws import STEPS, FixedDraws
from learner import Case, classes, images, values

from ssgan.config import TrainParams
from ssgan.learn import backend
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.lessons import taught_by
from ssgan.learn.run import Run

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "a generator, one after the other, pseudo-labels": (
        classes,
        {
            "fakes": "generator",
            "update": "alternating",
            "teacher_weight": 0.0,
            "consistency": "pseudo-label",
            "sure": 0.5,
            "align": 0.5,
        },
    ),
    "every term": (
        classes,
        {
            "fakes": "refiner",
            "teacher_weight": 0.0,
            "consistency": "ict",
            "entropy_weight": 0.1,
            "manifold_weight": 1e-3,
            "pull_away_weight": 0.8,
            "complement_weight": 0.1,
            "learning_rate": 5e-4,
        },
    ),
    "shuffled columns, virtual adversarial, members": (
        classes,
        {"consistency": "vat", "members": 4, "learning_rate": 5e-4},
    ),
    "values": (values, {"gan_weight": 1.0}),
    "images": (images, {"learning_rate": 1e-4}),
}


def losses(case: Case, given: dict[str, Any]) -> list[list[float]]:
    """[STEPS][terms]."""
    knobs = replace(resolve(TrainParams(**given, batch=16, ramp=0.1), case.contract), steps=STEPS)
    head = head_for(case.contract, case.y)
    taught = taught_by(case.x, case.y, case.encoder, head, knobs)
    run = Run(case.x, case.y, case.encoder, head, knobs, taught, FixedDraws)  # type: ignore[arg-type]
    return [run.advance(step, 1).tolist() for step in range(STEPS)]


if __name__ == "__main__":
    backend.deterministic(0)
    found = {}
    for name, (make, given) in CASES.items():
        if backend.name == "jax":  # of a table's steps its compiler takes longer than they do, of images' they would
            jax.config.update("jax_disable_most_optimizations", make is not images)
        found[name] = losses(make(), given)
    json.dump(found, sys.stdout)
