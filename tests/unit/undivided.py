"""Prints a digest of what 20 steps make of a network's weights; with an argument, on one core for each operation."""

from __future__ import annotations

import hashlib
import sys

from learner import classes

from ssgan.config import TrainParams
from ssgan.learn import backend
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.run import Run

if sys.argv[1:]:
    backend.undivided()
case = classes(labelled=6)
knobs = resolve(TrainParams(teacher_weight=0.0), case.contract)
run = Run(case.x, case.y, case.encoder, head_for(case.contract, case.y), knobs)
run.advance(0, 20)
print(hashlib.sha256(b"".join(each.tobytes() for each in run.state.values())).hexdigest())  # noqa: T201
