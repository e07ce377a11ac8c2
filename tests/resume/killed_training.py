"""Trains once unbroken and once killed again and again, and prints how the two ends compare.

    KERAS_BACKEND=... python killed_training.py FOLDER KILLS

Every attempt is a fork of this process, which has imported everything and computed nothing, so that a kill costs a
second. A kill comes at a random event: the begin or end of some steps, the opening, renaming or removing of a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from learner import classes

from ssgan.config import TrainParams
from ssgan.learn import backend
from ssgan.learn.checkpoint import Checkpoints
from ssgan.learn.fit import fit_discriminator
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve

KNOBS: dict[str, Any] = {"steps": 200, "batch": 8, "hidden": [8], "fakes": "generator"}


class Killer:
    """Counts events, and kills the process at one of them; also a Keras callback."""

    def __init__(self, folder: Path, at: int) -> None:
        self._folder, self._left = str(folder), at

    def heard(self, event: str, given: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove") and str(given[0]).startswith(self._folder):
            self.count()

    def count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, at: int) -> None:
    """Trains to the end, or is killed at event `at`; leaves a digest of the whole outcome."""
    backend.deterministic(0)
    killer = Killer(folder, at)
    sys.addaudithook(killer.heard)
    case = classes()
    callback = backend.keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs=None: killer.count(), on_epoch_end=lambda epoch, logs=None: killer.count()
    )
    knobs = resolve(TrainParams(**KNOBS), case.contract)
    checkpoints = Checkpoints(folder / "checkpoints", knobs.digest())
    head = head_for(case.contract, case.y)
    fitted = fit_discriminator(
        case.x, case.y, case.encoder, head, knobs, "run", checkpoints=checkpoints, callbacks=[callback]
    )
    assert fitted.fakes is not None
    nets = (fitted.discriminator, *fitted.fakes.models)
    arrays = [np.ascontiguousarray(each) for net in nets for each in net.get_weights()]
    digest = hashlib.sha256(b"".join(each.tobytes() for each in (*arrays, fitted.history)))
    (folder / "outcome").write_text(digest.hexdigest())


def attempt(folder: Path, at: int) -> bool:
    """Whether a fork that is to be killed at event `at` was."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child == 0:
        try:
            train(folder, at)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL


def main(folder: Path, kills: int) -> None:
    """Kills until there were enough, then lets it end."""
    assert not attempt(folder / "unbroken", -1)
    chance, found = random.Random(0), 0
    while found < kills:
        if not attempt(folder / "killed", chance.randint(1, 20)):
            break
        found += 1
    else:
        assert not attempt(folder / "killed", -1)
    ends = [(folder / each / "outcome").read_text() for each in ("unbroken", "killed")]
    json.dump({"kills": found, "same": ends[0] == ends[1]}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
