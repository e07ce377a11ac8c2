"""What a person should know about a finished run. Looked at once, when training is over; nothing is chosen by it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssgan.learn import backend
from ssgan.learn.fakes import Fakes
from ssgan.learn.heads import ClassHead, Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.prepare import is_labelled
from ssgan.learn.run import task_and_realness
from ssgan.learn.training_rows import evenly
from ssgan.stray import far_from_the_rest, told

ROWS = 512
ANSWERS = 4096  # rows whose answers are counted
TRIVIAL = 0.999  # area under the curve of real against fake
LOST = 0.2  # of a class's share among the labels
COLLAPSED = 0.1  # of the spread of real rows' features


def of_game(average: Any, head: Head, x: np.ndarray, fakes: Fakes, knobs: Knobs) -> tuple[str, ...]:
    """Is the game between the two networks one that teaches? Empty if it is.

    How well fakes are told apart says something only where the real/fake term is trained: fakes are also made for the
    manifold term alone.

    Args:
        average: the product, x -> [features, outputs].
        head: of the task.
        x: encoded training rows.
        fakes: that it was trained with.
        knobs: of the run.
    """
    real = evenly(x, ROWS)
    made = fakes.sample(x, len(real), knobs.seed)
    predict = backend.predictor(average)
    (real_features, real_outputs), (fake_features, fake_outputs) = predict(real), predict(made)
    found = []
    area = _area(_realness(head, real_outputs), _realness(head, fake_outputs)) if knobs.gan_weight > 0 else 0.0
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


def of_answers(average: Any, head: Head, x: np.ndarray, y: np.ndarray) -> tuple[str, ...]:
    """Is a class hardly ever answered? Empty if none is, and for values.

    An averaged network that early takes a class for another teaches that to the end, and is sure of it.

    Args:
        average: the product, x -> [features, outputs].
        head: of the task.
        x: encoded training rows.
        y: their labels; -1 unlabelled.
    """
    known = is_labelled(y)
    if not isinstance(head, ClassHead) or known.all():
        return ()
    logits, _ = task_and_realness(average, head, x[evenly(np.flatnonzero(~known), ANSWERS)])
    answered = np.bincount(logits.argmax(axis=1), minlength=head.classes) / len(logits)
    labelled = np.bincount(y[known], minlength=head.classes) / known.sum()
    return tuple(
        f"of the unlabelled rows {answered[each]:.1%} are taken for class {head.name(each)}, which has "
        f"{labelled[each]:.1%} of the labels: either the rest has few of it, or they are taken for another; "
        "train.align (0.5) is for labels that are few and were drawn like the rest"
        for each in np.flatnonzero(answered < LOST * labelled).tolist()
    )


def of_labels(y: np.ndarray, column: str) -> tuple[str, ...]:
    """Do values lie far from all others? Empty if none does, and for classes; one absurd label decides all squares.

    Args:
        y: labels of the training rows; NaN unlabelled.
        column: their name.
    """
    if y.dtype.kind != "f":
        return ()
    far, rest = far_from_the_rest(y[is_labelled(y)])
    if not len(far):
        return ()
    return (
        f"of the labels `{column}`, {told(far, rest)}, and by squares such labels decide every score: where they are "
        "wrong, narrow label.min and label.max in data/contract.yaml, and they count as no labels at the next run",
    )


def _area(of_real: np.ndarray, of_fakes: np.ndarray) -> float:
    """Under the curve of real against fake; 0.5 where they are not told apart."""
    from sklearn.metrics import roc_auc_score

    realness = np.concatenate([of_real, of_fakes])
    return float(roc_auc_score(np.arange(len(realness)) < len(of_real), realness))


def _realness(head: Head, outputs: np.ndarray) -> np.ndarray:
    return np.asarray(backend.keras.ops.convert_to_numpy(head.realness(head.pooled(outputs))))[:, 0]
