"""The stage `train`: the SSGAN, its supervised twin and its ablation, trained, exported, compared with their exports.

models/trained/ssgan     the artefact, not calibrated yet
models/trained/twin      the same network from labelled rows alone
models/trained/ablation  the same network without the real/fake term; absent where that is the twin
models/trained/folds.npz what models say of labelled rows that they have not seen (see `folds.py`)
models/trained/fakes.npz fake rows that the discriminator learned to tell from real ones
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ssgan.config import read_params
from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.learn import backend, training_rows
from ssgan.learn.checkpoint import Checkpoints
from ssgan.learn.encode import Encoder
from ssgan.learn.events import Events
from ssgan.learn.export import write_artefact
from ssgan.learn.fit import Fitted, Run, committee_of, finish
from ssgan.learn.folds import Folds, Kept
from ssgan.learn.heads import Head, head_for
from ssgan.learn.knobs import Knobs, resolve
from ssgan.learn.lessons import Lessons, is_asked
from ssgan.learn.plan import Plan
from ssgan.learn.prepare import frame_columns, is_labelled
from ssgan.learn.tables import is_light
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import RunRecord, RunTimes, Split

FAKES = 2000  # rows in the sample


@dataclass(frozen=True)
class Rows:
    """What `prepare` left, as training takes it."""

    contract: Contract
    encoder: Encoder
    split: Split
    x: np.ndarray  # float32 [n, ...]
    y: np.ndarray  # [n]
    fold: np.ndarray  # int64 [n]
    judged: np.ndarray  # encoded rows that judge
    digest: str

    @classmethod
    def read(cls, project: Project, rows: Literal["held", "streamed"] | None) -> Rows:
        """Reads `data/prepared`.

        Args:
            project: whose rows.
            rows: as `train.rows` has it.

        Raises:
            DataError: if it is not there.
        """
        folder = project.prepared
        if not (folder / training_rows.X).is_file():
            raise DataError("training needs data/prepared, which is not there: run `ssgan prepare` first")
        contract = Contract.model_validate_json((folder / "schema.json").read_text(encoding="utf-8"))
        encoder = Encoder.from_json((folder / "encoder.json").read_text(encoding="utf-8"))
        stored = training_rows.TrainingRows.read(folder, rows)
        judged = encoder.encode_columns(frame_columns(pd.read_parquet(folder / "judged.parquet"), contract))
        split, digest = Split.read(folder / "split.json"), training_rows.digest(folder)
        return cls(contract, encoder, split, stored.x, stored.y, stored.fold, judged, digest)


def settle(encoder: Encoder, knobs: Knobs) -> None:
    """Makes this process, which must be a training's own, repeatable, and as quick as its steps allow."""
    backend.deterministic(knobs.seed)
    if is_light(encoder, knobs):
        backend.undivided()


def train(project: Project) -> None:
    """Trains on `data/prepared` and writes `models/trained`.

    A run that was killed goes on from its last checkpoint, and ends with the same bytes.

    Raises:
        DataError: if there is nothing prepared.
        SsganError: if training diverges, or an export does not answer as the network does.
    """
    params = read_params(project.params)
    rows = Rows.read(project, params.train.rows)
    known = int(is_labelled(rows.y).sum())
    knobs = resolve(params.train, rows.contract)
    settle(rows.encoder, knobs)
    nothing = "; every row has a label, so nothing is learned from unlabelled ones" if known == len(rows.y) else ""
    say(f"train: {len(rows.x)} rows, {known} labelled, on {backend.device()}{nothing}")
    head = head_for(rows.contract, rows.y, knobs.head)
    models = {"ssgan": knobs, "twin": knobs.twin()}
    ablation = replace(knobs, gan_weight=0.0, manifold_weight=0.0)
    if knobs.gan_weight and ablation != replace(knobs.twin(), answer=ablation.answer):
        models["ablation"] = ablation
    digest = hashlib.sha256(f"{rows.digest} {knobs.digest()} {backend.name}".encode()).hexdigest()
    kept = {name: Kept(project.runtime / "folds", f"{digest} {used.digest()}") for name, used in models.items()}
    folder, times = project.trained, RunTimes(device=backend.device(), seconds={"folds": 0.0}, steps_per_second={})
    fresh = folder.with_name(".trained.new")
    shutil.rmtree(fresh, ignore_errors=True)
    plan = Plan.of(rows.split, rows.x, rows.y, rows.fold, rows.judged, params.evaluate.curve)
    folds, whole = Folds(plan, rows), np.ones(known, bool)
    wanted = [whole, *(each.learned for name in models for each in folds.subsets(name))]
    with closing(Lessons(rows.x, rows.y, rows.encoder, head, knobs, wanted, rows.fold)) as lessons:
        for name, used in models.items():
            checkpoints = Checkpoints(project.runtime / "checkpoints" / name, f"{digest} {used.digest()}")
            start, taught = time.perf_counter(), lessons if is_asked(used) else None
            with closing(_run(rows, head, used, taught, whole)) as run:
                times.seconds[f"build {name}"] = time.perf_counter() - start
                callbacks = [Events(project.events / digest[:8] / name)] if params.train.tensorboard else []
                fitted = _fit(fresh / name, rows, run, taught, name, checkpoints, times, callbacks)
                if name == "ssgan":
                    _write_fakes(fresh / "fakes.npz", fitted, rows.x, knobs.seed)
                start = time.perf_counter()
                folds.add(name, run, taught, kept[name])
                times.seconds["folds"] += time.perf_counter() - start
    folds.write(fresh / "folds.npz")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    for name, each in kept.items():
        Checkpoints(project.runtime / "checkpoints" / name, "").clear()
        each.clear()
    times.write(project.times)
    fakes = f"fakes by {knobs.fakes}" if knobs.gan_weight else "no real/fake term"
    if params.train.tensorboard:
        say(f"train: losses for TensorBoard are in {project.events}: tensorboard --logdir {project.events}")
    pace = times.steps_per_second
    spent = ", ".join(f"{name} {times.seconds[name]:.1f} s at {pace[name]:.0f} steps/s" for name in pace)
    say(f"train: {knobs.steps} steps each, {fakes}; {spent}; folds {times.seconds['folds']:.1f} s; on {times.device}")


def _run(rows: Rows, head: Head, knobs: Knobs, lessons: Lessons | None, whole: np.ndarray) -> Run:
    taught = None if lessons is None else partial(lessons.of, whole)  # the first half needs no teacher
    return Run(rows.x, rows.y, rows.encoder, head, knobs, taught)


def _fit(
    folder: Path,
    rows: Rows,
    run: Run,
    lessons: Lessons | None,
    name: str,
    checkpoints: Checkpoints,
    times: RunTimes,
    callbacks: Sequence[Events],
) -> Fitted:
    """Trains one model on all labelled rows and exports it."""
    start, knobs = time.perf_counter(), run.knobs
    fitted = finish(run, name, checkpoints, callbacks)
    trained = time.perf_counter()
    record = RunRecord(
        task=rows.contract.task,
        backend=backend.name,
        precision=knobs.precision,
        seed=knobs.seed,
        data_hash=rows.digest,
        rows=len(rows.y),
        labelled=int(is_labelled(rows.y).sum()),
        fakes=knobs.fakes if knobs.gan_weight else "none",
        knobs=knobs.as_record(),
        warnings=fitted.warnings,
        parity=0.0,  # measured at export
    )
    committee = None if lessons is None else committee_of(lessons.of(np.ones(record.labelled, bool)), knobs)
    write_artefact(folder, fitted, rows.encoder, rows.contract, rows.x, record, committee)
    times.seconds[name], times.seconds[f"export {name}"] = trained - start, time.perf_counter() - trained
    times.steps_per_second[name] = fitted.steps_per_second
    return fitted


def _write_fakes(path: Path, fitted: Fitted, x: np.ndarray, seed: int) -> None:
    if fitted.fakes is None:
        return
    with path.open("wb") as handle:
        np.savez(handle, allow_pickle=False, x=fitted.fakes.sample(x, min(FAKES, len(x)), seed))
