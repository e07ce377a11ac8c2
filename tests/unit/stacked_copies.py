"""Prints how far networks that learned as one more axis (as on a card) are from the same ones, a core for each."""

from __future__ import annotations

import numpy as np
from learner import classes

from ssgan.config import TrainParams
from ssgan.learn.backend.copies import Copies
from ssgan.learn.backend.jax import Stacked
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.run import Run

case = classes(labelled=6)
knobs = resolve(TrainParams(steps=20, batch=16, hidden=(16, 16), teacher_weight=0.0), case.contract)
run = Run(case.x, case.y, case.encoder, head_for(case.contract, case.y), knobs)
run.compile()
seen: list[int] = []


def learned(kind: type[Copies]) -> list[np.ndarray]:
    """The weights of three copies, each without other labels."""
    copies, found = kind(run._loop), []  # type: ignore[arg-type]
    for fold in range(3):
        run.begin(np.arange(12) % 3 != fold, None)
        copies.put()
    copies.learn(0, 20, 8, lambda done, report: seen.append(done + 0 * len(report)))
    for fold in range(3):
        copies.take(fold)
        found.append(np.concatenate([each.ravel() for each in run.state.values()]))
    return found


apart, stacked = learned(Copies), learned(Stacked)
assert seen.count(20) == 6
assert np.abs(apart[0] - apart[1]).max() > 1e-3
print(max(np.abs(a - b).max() for a, b in zip(apart, stacked, strict=True)))  # noqa: T201
