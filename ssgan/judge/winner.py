"""`gate.serve: winner`: a baseline that beat the SSGAN becomes an artefact of the same format, with the same answers.

The graph holds both: the baseline says `task`, the SSGAN's discriminator goes on saying how real a row is, for no
baseline can. Its own answer stays in the graph as `discriminator_task`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.config import CalibrateParams, Params, read_params
from ssgan.errors import ArtefactError, SsganError
from ssgan.judge.answers import answers_of, calibrated
from ssgan.judge.baselines import answer
from ssgan.judge.calibrate import fit, named, read_folds
from ssgan.judge.methods import Method, Task, methods, predict
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Prepared
from ssgan.judge.winner_graph import LEAST, first_words, refusal, write_graph
from ssgan.learn.artefact import ALONE, CALIBRATION, TOLERANCE, Artefact, open_session, write_checksums
from ssgan.learn.plan import hidden, scattered
from ssgan.project import Project
from ssgan.records import Calibration, RunRecord

POOL = 20_000  # unlabelled rows that say how common a class is, at most
COMPARED = 1000  # training rows beside the probe that ONNX and scikit-learn are both asked about, at most


def package_baseline(
    project: Project, prepared: Prepared, name: str, trained: Artefact, answers: Array
) -> tuple[Artefact, Array]:
    """Trains a baseline on all labelled rows and writes it to `models/winner`.

    Args:
        project: one that has been evaluated.
        prepared: its rows.
        name: of the baseline.
        trained: the SSGAN's artefact, which is taken as the frame.
        answers: of the baseline about the judged rows, as it was evaluated.

    Returns:
        The artefact, and the same answers calibrated.

    Raises:
        SsganError: if the baseline cannot be written as ONNX, if it does not run there, or if on training rows it
            answers otherwise there than scikit-learn does, by more than the tolerance.
    """
    params, known = read_params(project.params), prepared.labelled
    classes = len(prepared.contract.classes)
    x, (probe, some, pool) = _flat(prepared.x), _asked(prepared, trained)
    compared = np.concatenate([probe, some])
    asked = _flat(np.concatenate([compared, pool]))
    task = Task(x, prepared.y, known, prepared.fold, asked, classes, params.baselines)
    method = methods(prepared.contract, params.baselines.more)[name]
    model = method(task)
    said = predict(model, task)
    fresh = project.winner.with_name(".winner.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(trained.folder, fresh)
    shares = (
        np.bincount(prepared.y[known].astype(np.int64), minlength=classes) / known.sum() if classes else np.empty(0)
    )
    try:
        write_graph(fresh / "model.onnx", name, model, x.shape[1], shares, trained)
        apart = _apart(_outputs(fresh, name, compared)["task"], said[: len(compared)], trained)
        _check_alike(name, model, apart, classes)
    except SsganError:
        shutil.rmtree(fresh)  # nothing that anybody should find
        raise
    _write_probe(fresh, name, probe)
    run = RunRecord.read(fresh / "run.json")
    about = {"parity": float(apart.max()), "knobs": {**run.knobs, "baseline": name}}
    run.model_copy(update=about).write(fresh / "run.json")
    unseen = answers if prepared.crossfit else _out_of_fold(method, prepared, params)
    of_pool = _raw(said[len(compared) :], trained)[None] if classes else None
    _calibrate(unseen, prepared.y[known], of_pool, trained, params.calibrate).write(fresh / CALIBRATION)
    write_checksums(fresh)
    shutil.rmtree(project.winner, ignore_errors=True)
    fresh.rename(project.winner)
    artefact = Artefact.load(project.winner)
    if not prepared.crossfit:
        return artefact, answers_of(artefact.predict_columns(prepared.judged_columns()))
    folds = read_folds(project)
    outputs = _raw(answers, trained), folds["ssgan_realness"]
    return artefact, answers_of(calibrated(trained, outputs, prepared.truth, folds["fold"], of_pool, params.calibrate))


def _flat(x: Array) -> Array:
    return np.asarray(x.reshape(len(x), -1), np.float64)


def _asked(prepared: Prepared, trained: Artefact) -> tuple[Array, Array, Array]:
    """Encoded rows: the probe, some of all rows to compare answers, and unlabelled ones for the shares of classes."""
    with np.load(trained.folder / "probe.npz", allow_pickle=False) as stored:
        probe = stored["x"]
    every, unlabelled = np.arange(len(prepared.x)), np.flatnonzero(~prepared.labelled)
    some, pool = (_by_lot(rows, most) for rows, most in ((every, COMPARED), (unlabelled, POOL)))
    return probe, prepared.x[some], prepared.x[pool]


def _by_lot(rows: Array, most: int) -> Array:
    return np.sort(np.random.default_rng(0).permutation(rows)[:most])


def _out_of_fold(method: Method, prepared: Prepared, params: Params) -> Array | None:
    """What the baseline says of each labelled row without having seen it; None where a fold is not enough for it."""
    x, y, fold = _flat(prepared.x), prepared.y, prepared.fold
    parts, places = [], []
    for number in np.unique(fold[prepared.labelled]):
        learned = prepared.labelled & (fold != number)
        seen = hidden(y, learned[prepared.labelled])
        asked = Task(
            x, seen, learned, prepared.fold, x[fold == number], len(prepared.contract.classes), params.baselines
        )
        try:
            parts.append(answer(method, asked))
        except (ValueError, ArithmeticError):
            return None
        places.append(np.flatnonzero(fold[prepared.labelled] == number))
    return scattered(parts, places)


def _calibrate(
    answers: Array | None, truth: Array, pool: Array | None, trained: Artefact, knobs: CalibrateParams
) -> Calibration:
    """Of answers about labelled rows, `[m, K]` or `[m]`, by models that had not seen them."""
    classes = trained.contract.classes
    unit = None if answers is None else _raw(answers, trained) if classes else answers[:, None]
    fitted = named(fit(unit, truth, len(classes), pool, knobs), classes)
    return fitted.model_copy(
        update={"fake_limit": trained.calibration.fake_limit, "ranges": trained.calibration.ranges}
    )


def _raw(answers: Array, trained: Artefact) -> Array:
    """Answers in the form of a graph's `task`: log-probabilities [m, K], or standardised values [m, 1]."""
    if answers.ndim == 2:
        return np.log(np.maximum(answers, LEAST))
    mean, scale = (float(trained.metadata[f"value_{each}"]) for each in ("mean", "scale"))
    return ((answers - mean) / scale)[:, None]


def _outputs(folder: Path, name: str, rows: Array) -> dict[str, Array]:
    """What the new graph answers to encoded rows, by output.

    Raises:
        SsganError: if it does not run.
    """
    try:
        session = open_session(folder / "model.onnx")
        present = {output.name for output in session.get_outputs()}
        outputs = [each for each in ("task", "realness", ALONE) if each in present]
        return dict(zip(outputs, session.run(outputs, {"x": rows}), strict=True))
    except ArtefactError:  # whose own advice is to train again
        raise refusal(name, "ONNX Runtime does not take its graph") from None
    except Exception as error:  # the runtime's errors share no base but this
        raise refusal(name, f"as ONNX it does not run ({first_words(error)})") from None


def _apart(task: Array, said: Array, trained: Artefact) -> Array:
    """How far the graph's answers are from scikit-learn's, row by row: in probability, or in standard deviations."""
    got, expected = (np.exp(task), said) if said.ndim == 2 else (task, _raw(said, trained))
    if got.shape != expected.shape:  # of such answers none is near
        return np.full(len(said), np.inf)
    found: Array = np.abs(got - expected).max(axis=1)
    return found


def _check_alike(name: str, model: Any, apart: Array, classes: int) -> None:
    """Refuses a baseline whose graph is another model than the one that was judged.

    Some are converted wrongly. Nearest neighbours are not, but where several rows lie equally far away, as in a table
    of whole numbers or categories, scikit-learn and ONNX take different ones, by no rule that could be written down.
    """
    off = ~(apart <= TOLERANCE)
    if not off.any():
        return
    unit = "in probability" if classes else "standard deviations"
    tied = "where rows lie equally far away, other neighbours are taken: " if hasattr(model, "n_neighbors") else ""
    raise refusal(
        name,
        f"as ONNX it answers otherwise than it was judged ({tied}{off.sum()} of {len(off)} training rows are off by "
        f"more than {TOLERANCE}, the worst by {apart.max():.2g} {unit})",
    )


def _write_probe(folder: Path, name: str, probe: Array) -> None:
    """Stores what the new graph answers to the probe rows."""
    got = _outputs(folder, name, probe)
    with (folder / "probe.npz").open("wb") as handle:
        np.savez(handle, allow_pickle=False, x=probe, **got)
