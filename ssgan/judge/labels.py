"""The verb `labels`: which rows a person should label next, written so that the answers come back through intake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssgan.console import typed
from ssgan.contract import ROW_ID
from ssgan.errors import DataError, ProjectError
from ssgan.judge.asking import Choice, Pool, choose, disagreement
from ssgan.judge.feature_map import has_features
from ssgan.judge.metrics import Array, Floats
from ssgan.judge.prepared import Prepared, read_prepared
from ssgan.judge.requests import Format, Request, write_requests
from ssgan.judge.words import number, unit
from ssgan.learn import training_rows
from ssgan.learn.artefact import Artefact, Predictions, class_probabilities
from ssgan.learn.prepare import is_labelled, read_accepted
from ssgan.learn.prepare import labels as accepted_labels
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import RunRecord

MOST_ROWS = 20_000  # of the pool that are looked at
FAR = 1.2  # times the usual distance: worth a word
OFTEN = 0.9  # share of the pool from which on a rank is worth a word


@dataclass(frozen=True)
class Asked:
    """Chosen rows: their places among the training rows, and what the model says of them."""

    places: Array
    choice: Choice
    answers: Predictions


def labels(project: Project, count: int, out: Path, form: Format = "csv") -> int:
    """Writes the rows that should be labelled next.

    Args:
        project: with a trained model.
        count: how many rows.
        out: the file; the folder, where rows are images and the format is "csv".
        form: "csv", or "label-studio" for its JSON tasks.

    Returns:
        The number of rows written.

    Raises:
        ProjectError: if there is no model, or it is of other data than `data/prepared`.
        DataError: if every training row has a label.
        UserError: if the file cannot be written, or its name does not fit.
    """
    prepared = read_prepared(project)
    if not project.model.is_dir():
        first = typed("run", "-C", project.root, "FILE")
        raise ProjectError(f"what to label next is told by the model, and there is none; run `{first}` first")
    artefact = Artefact.load(project.model)
    again = f"run `{typed('run', '-C', project.root)}` first"
    if artefact.contract != prepared.contract:
        raise ProjectError(f"the model in models/ssgan learned under another contract; {again}")
    if RunRecord.read(project.model / "run.json").data_hash != training_rows.digest(prepared.folder):
        raise ProjectError(f"data/prepared was made anew since the model learned; {again}")
    asked = ask(prepared, artefact, count, project.folds)
    _check_labels(project, prepared, again)
    if artefact.contract.id is None and artefact.contract.copies == "keep":
        say("labels: answers will be new rows, for the contract names no id; set `duplicates: first` in it")
    if len(asked.places) < count:
        say(f"labels: only {len(asked.places)} rows may be asked, not {count}")
    write_requests(project, prepared.contract, requests(asked, prepared, artefact), out, form)
    return len(asked.places)


def _check_labels(project: Project, prepared: Prepared, again: str) -> None:
    frame = read_accepted(project, prepared.contract)
    known = frame[ROW_ID].to_numpy(str)[is_labelled(accepted_labels(frame, prepared.contract))]
    since = int(np.isin(prepared.ids[~prepared.labelled], known).sum())
    if since:
        raise ProjectError(f"{since} rows that might be asked for have got a label since the model learned; {again}")


def ask(prepared: Prepared, artefact: Artefact, count: int, folds: Path | None = None) -> Asked:
    """Chooses among the unlabelled training rows.

    Args:
        prepared: the training rows.
        artefact: the model.
        count: how many to choose.
        folds: what `train` wrote about models of folds, whose disagreement counts too.

    Raises:
        DataError: if every training row has a label.
    """
    rows, members = _pool_rows(prepared, folds)
    if not len(rows):
        raise DataError("every training row has a label, so there is none to ask for; take in unlabelled rows first")
    known, answers = prepared.labelled, artefact.predict_encoded(prepared.x[rows])
    pool = Pool(
        answers.probabilities,
        None if members is None else disagreement(members),
        features(artefact, prepared.x[rows]),
        features(artefact, prepared.x[known]),
        1 - answers.fake_probability,
        answers.unlike,
    )
    contract = prepared.contract
    counts = list(prepared.labels.values()) if contract.classes else []
    choice = choose(pool, count, counts, contract.rules.labelled_per_class_at_least)
    return Asked(rows[choice.rows], choice, artefact.predict_encoded(prepared.x[rows[choice.rows]]))


def features(artefact: Artefact, x: Array) -> Array:
    """[n, H]: what the discriminator sees; of an older artefact, which does not tell, the encoded rows."""
    return artefact.features(x) if has_features(artefact) else x.reshape(len(x), -1)


def _pool_rows(prepared: Prepared, folds: Path | None) -> tuple[Array, Floats | None]:
    """Places of the rows to look at, and what the models of the folds answer there [k, p, K] or [k, p]."""
    free = np.flatnonzero(~prepared.labelled)
    if folds is not None and folds.is_file():
        with np.load(folds, allow_pickle=False) as stored:
            if {"pool_rows", "ssgan_pool"} <= set(stored.files):
                rows, raw = stored["pool_rows"], stored["ssgan_pool"].astype(np.float64)
                if len(rows) and np.isin(rows, free).all():
                    return rows, raw[..., 0] if raw.shape[-1] == 1 else np.stack([class_probabilities(r) for r in raw])
    if len(free) > MOST_ROWS:
        free = np.sort(np.random.default_rng(0).permutation(free)[:MOST_ROWS])
    return free, None


def requests(asked: Asked, prepared: Prepared, artefact: Artefact) -> list[Request]:
    """The chosen rows with their names, scores and reasons."""
    found = []
    for place, name in enumerate(prepared.ids[asked.places].tolist()):
        choice, answers = asked.choice, asked.answers
        found.append(
            Request(
                id=name,
                uncertainty=float(choice.uncertainty[place]),
                diversity=float(choice.diversity[place]),
                real=float(1 - answers.fake_probability[place]),
                reason=_reason(asked, place, prepared),
                answer=answers.answer[place].item(),
                sure=_sure(asked, place),
                model=artefact.digest,
            )
        )
    return found


def _sure(asked: Asked, place: int) -> float:
    probabilities = asked.answers.probabilities
    return float(1 - asked.choice.uncertainty[place] if probabilities is None else probabilities[place].max())


def _reason(asked: Asked, place: int, prepared: Prepared) -> str:
    """Why this row, in words."""
    choice, contract = asked.choice, prepared.contract
    parts = [_doubt(asked, place, prepared)]
    if choice.disagreement[place] >= OFTEN:
        parts.append("models that learned from different labels disagree")
    if choice.stands[place] >= 0.01:
        parts.append(f"stands for {100 * choice.stands[place]:.0f} % of the unlabelled rows")
    if choice.diversity[place] >= FAR:
        parts.append(f"{choice.diversity[place]:.1f} times as far as usual from every labelled or asked row")
    kind = choice.starved[place]
    if kind >= 0:
        name = contract.classes[kind]
        parts.insert(0, f"{name} has only {prepared.labels[name]} labels, and this row may be one more")
    return "; ".join(parts)


def _doubt(asked: Asked, place: int, prepared: Prepared) -> str:
    probabilities, contract = asked.answers.probabilities, prepared.contract
    if probabilities is None:
        return f"the model says {number(float(asked.answers.answer[place]))} {unit(contract)}".rstrip()
    first, second = np.argsort(-probabilities[place], kind="stable")[:2]
    shares = probabilities[place]
    if shares[first] - shares[second] < 0.5:
        names = contract.classes
        return f"unsure between {names[first]} ({shares[first]:.2f}) and {names[second]} ({shares[second]:.2f})"
    return f"the model says {contract.classes[first]} ({shares[first]:.2f})"
