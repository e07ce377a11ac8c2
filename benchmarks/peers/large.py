"""Peak memory of training on a million rows of 50 columns, held in memory.

KERAS_BACKEND=jax python large.py
"""

from __future__ import annotations

import json
import resource
import time

import numpy as np
from ours import given
from work import Work

from ssgan.config import TrainParams
from ssgan.learn.fit import fit_discriminator
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve

WORK = Work(50, (128, 128), 2, 64, (128, 128), 64, 100, 1_000_000)


def main() -> None:
    """Trains a little, says how long it took and how much memory there was at most."""
    x, y, encoder, contract = given(WORK)
    knobs = resolve(TrainParams(steps=200), contract, 100)
    start = time.perf_counter()
    fitted = fit_discriminator(x, y, encoder, head_for(contract, y), knobs, "large")
    seconds = time.perf_counter() - start
    assert np.isfinite(fitted.history).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak_mb": peak, "rows_mb": x.nbytes >> 20, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
