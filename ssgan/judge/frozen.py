"""Challenger and champion on the same rows, none of which either had seen with its label."""

from __future__ import annotations

import os

import numpy as np

from ssgan.contract import ROW_ID
from ssgan.errors import ProjectError
from ssgan.judge.answers import answers_of
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Prepared
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.project import Project


def keep_answers(project: Project, digest: str, answers: Array) -> None:
    """Keeps what this model said of the rows that judged it: later ones will be compared with it on them.

    Args:
        project: one that has been evaluated.
        digest: of the model, the SSGAN or the baseline that is served in its place.
        answers: its probabilities `[m, K]` or values `[m]`, in the order of the judged rows.
    """
    place = project.judged_of(digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    with np.load(project.judged, allow_pickle=False) as stored:
        rows = {name: stored[name] for name in ("id", "taught", "taught_groups")}
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    with fresh.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **rows, answers=np.asarray(answers, np.float64))
    fresh.replace(place)


def champions_answers(project: Project, prepared: Prepared, champion: Artefact) -> tuple[Array, Array]:
    """What the champion says of the judged rows, and for which of them that counts.

    Rows that judged it, it is not asked again: there, what its folds had said is taken. Rows that it learned from and
    that did not judge it do not count, nor do new rows of their groups, such as a patient's next visit: no model of the
    challenger's that answers has seen that patient. All others are new to it.

    Returns:
        Probabilities `[m, K]` or values `[m]`, and bool `[m]`.

    Raises:
        ProjectError: if its contract asks for other classes, another task, or columns that these rows do not have.
    """
    _require_same_task(champion, prepared)
    said = answers_of(champion.predict_columns(frame_columns(prepared.judged, champion.contract)))
    counts = np.ones(len(said), bool)
    path = project.judged_of(champion.digest)
    if not path.is_file():  # promoted by hand or before answers were kept: a holdout's rows are new to it
        return said, counts
    with np.load(path, allow_pickle=False) as stored:
        known = dict(zip(stored["id"].tolist(), stored["answers"], strict=True))
        taught = set(stored["taught"].tolist())
        groups = set(stored["taught_groups"].tolist()) if "taught_groups" in stored.files else set()
    rows = zip(prepared.judged[ROW_ID].astype(str), prepared.groups, strict=True)
    for place, (name, group) in enumerate(rows):
        if name in known:
            said[place] = known[name]
        else:
            counts[place] = name not in taught and group not in groups
    return said, counts


def _require_same_task(champion: Artefact, prepared: Prepared) -> None:
    theirs, ours = champion.contract, prepared.contract
    if (theirs.task, theirs.classes) != (ours.task, ours.classes):
        raise ProjectError("it was trained for another task or for other classes")
    lacking = [
        name
        for name, column in theirs.features.items()
        if name not in ours.features or column.type != ours.features[name].type
    ]
    if lacking:
        raise ProjectError(f"it needs the columns {', '.join(lacking)} as they were when it was trained")
