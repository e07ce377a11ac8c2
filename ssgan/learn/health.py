"""Is the game between the two networks one that teaches? Looked at once, when training is over."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssgan.learn import backend
from ssgan.learn.fakes import Fakes
from ssgan.learn.heads import Head
from ssgan.learn.training_rows import evenly

ROWS = 512
TRIVIAL = 0.999  # area under the curve of real against fake
COLLAPSED = 0.1  # of the spread of real rows' features


def warnings(average: Any, head: Head, x: np.ndarray, fakes: Fakes, seed: int) -> tuple[str, ...]:
    """What a person should know about the fakes of a finished run; empty if all is well.

    Args:
        average: the product, x -> [features, outputs].
        head: of the task.
        x: encoded training rows.
        fakes: that it was trained with.
        seed: of the fakes looked at.
    """
    from sklearn.metrics import roc_auc_score

    real = evenly(x, ROWS)
    made = fakes.sample(x, len(real), seed)
    predict = backend.predictor(average)
    (real_features, real_outputs), (fake_features, fake_outputs) = predict(real), predict(made)
    found = []
    realness = np.concatenate([_realness(head, real_outputs), _realness(head, fake_outputs)])
    area = float(roc_auc_score(np.arange(len(realness)) < len(real), realness))
    if area > TRIVIAL:
        found.append(
            f"the discriminator tells fakes from real rows without error (area under the curve {area:.4f}): towards "
            "the end the real/fake term taught nothing more; other train.fakes may"
        )
    spread = float(fake_features.std(axis=0).mean() / max(real_features.std(axis=0).mean(), 1e-9))
    if fakes.weights and spread < COLLAPSED:
        found.append(
            f"the generator makes the same row again and again (its features spread {spread:.0%} as far as those of "
            "real rows): a train.pull_away_weight of 0.8, or other train.fakes, may help"
        )
    return tuple(found)


def _realness(head: Head, outputs: np.ndarray) -> np.ndarray:
    return np.asarray(backend.keras.ops.convert_to_numpy(head.realness(head.pooled(outputs))))[:, 0]
