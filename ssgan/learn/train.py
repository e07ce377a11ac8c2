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
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ssgan import __version__
from ssgan.config import read_params
from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.learn import backend, health, training_rows
from ssgan.learn.checkpoint import Checkpoints
from ssgan.learn.encode import Encoder
from ssgan.learn.events import Events
from ssgan.learn.export import write_artefact
from ssgan.learn.fit import Fitted, committee_of, finish
from ssgan.learn.folds import Folds, Kept
from ssgan.learn.heads import Head, head_for
from ssgan.learn.knobs import Knobs, resolve
from ssgan.learn.lessons import Lessons, is_asked
from ssgan.learn.plan import Plan
from ssgan.learn.prepare import SPLIT, frame_columns, is_labelled
from ssgan.learn.run import Run
from ssgan.learn.tables import is_light
from ssgan.learn.theirs import source_digest
from ssgan.learn.trial import settled
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

    @property
    def labelled(self) -> int:
        """How many have a label."""
        return int(is_labelled(self.y).sum())

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
        if not (folder / SPLIT).is_file():  # written last
            raise DataError("training needs data/prepared, which is not there: run `ssgan prepare` first")
        contract = Contract.model_validate_json((folder / "schema.json").read_text(encoding="utf-8"))
        encoder = Encoder.from_json((folder / "encoder.json").read_text(encoding="utf-8"))
        stored = training_rows.TrainingRows.read(folder, rows)
        judged = encoder.encode_columns(frame_columns(pd.read_parquet(folder / "judged.parquet"), contract))
        split, digest = Split.read(folder / SPLIT), training_rows.digest(folder)
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
    knobs = resolve(params.train, rows.contract, rows.x)
    head = head_for(rows.contract, rows.y, knobs.head)
    settle(rows.encoder, knobs)
    all_known = rows.labelled == len(rows.y)
    nothing = "; every row has a label, so nothing is learned from unlabelled ones" if all_known else ""
    images = f", images taken for {knobs.content}s (train.content)" if knobs.content else ""
    say(f"train: {len(rows.x)} rows, {rows.labelled} labelled{images}, on {backend.device()}{nothing}")
    for warning in health.of_labels(rows.y, rows.contract.label.column):
        say(f"train: {warning}")
    plan = Plan.of(rows.split, rows.x, rows.y, rows.fold, rows.judged, params.evaluate.curve)
    knobs, folds = settled(rows.x, rows.y, rows.encoder, head, knobs), Folds(plan, rows)
    code = f"{__version__} {source_digest(knobs.networks)}"
    digest = hashlib.sha256(f"{rows.digest} {knobs.digest()} {backend.name} {code}".encode()).hexdigest()
    stage = Stage(project, rows, head, folds, digest, params.train.tensorboard)
    models = _models(knobs)
    wanted = [np.ones(rows.labelled, bool), *(each.learned for name in models for each in folds.subsets(name))]
    with closing(Lessons(rows.x, rows.y, rows.encoder, head, knobs, wanted, rows.fold)) as lessons:
        for name, used in models.items():
            stage.add(name, used, lessons if is_asked(used) else None)
    stage.end()
    if params.train.tensorboard:
        say(f"train: losses for TensorBoard are in {project.events}: tensorboard --logdir {project.events}")
    _say_times(stage.times, knobs)


def _models(knobs: Knobs) -> dict[str, Knobs]:
    """What is trained, by name; no ablation where it would be the twin."""
    models = {"ssgan": knobs, "twin": knobs.twin()}
    ablation = replace(knobs, gan_weight=0.0, manifold_weight=0.0)
    if knobs.gan_weight and ablation != replace(knobs.twin(), answer=ablation.answer):
        models["ablation"] = ablation
    return models


class Stage:
    """The folder that the stage leaves: written beside the old one, model by model, and put in its place at the end."""

    def __init__(self, project: Project, rows: Rows, head: Head, folds: Folds, digest: str, tensorboard: bool) -> None:
        """`digest`: of rows, knobs, backend and code."""
        self._project, self._rows, self._head, self._folds = project, rows, head, folds
        self._digest, self._tensorboard = digest, tensorboard
        self._fresh = project.trained.with_name(".trained.new")
        shutil.rmtree(self._fresh, ignore_errors=True)
        self._unfinished: list[tuple[Checkpoints, Kept]] = []
        self.times = RunTimes(device=backend.device(), seconds={"folds": 0.0}, steps_per_second={})

    def add(self, name: str, knobs: Knobs, lessons: Lessons | None) -> None:
        """Trains a model on all labelled rows, exports it, and trains its folds."""
        rows, runtime, digest = self._rows, self._project.runtime, f"{self._digest} {knobs.digest()}"
        checkpoints, kept = Checkpoints(runtime / "checkpoints" / name, digest), Kept(runtime / "folds", digest)
        self._unfinished.append((checkpoints, kept))
        whole = np.ones(rows.labelled, bool)
        taught = None if lessons is None else partial(lessons.of, whole)  # the first half needs no teacher
        with self._timed(f"build {name}"):
            built = Run(rows.x, rows.y, rows.encoder, self._head, knobs, taught)
        with closing(built) as run:
            with self._timed(name):
                events = [Events(self._project.events / self._digest[:8] / name)] if self._tensorboard else []
                fitted = finish(run, name, checkpoints, events)
            self.times.steps_per_second[name] = fitted.steps_per_second
            with self._timed(f"export {name}"):
                committee = committee_of(None if taught is None else taught(), knobs)
                record = self._record(knobs, fitted)
                write_artefact(self._fresh / name, fitted, rows.encoder, rows.contract, rows.x, record, committee)
            if name == "ssgan":
                _write_fakes(self._fresh / "fakes.npz", fitted, rows.x, knobs.seed)
            with self._timed("folds"):
                self._folds.add(name, run, lessons, kept)

    def end(self) -> None:
        """Puts the new folder in place; what was kept for a run that is killed is needed no more."""
        self._folds.write(self._fresh / "folds.npz")
        shutil.rmtree(self._project.trained, ignore_errors=True)
        self._fresh.rename(self._project.trained)
        for checkpoints, kept in self._unfinished:
            checkpoints.clear()
            kept.clear()
        self.times.write(self._project.times)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.times.seconds[what] = self.times.seconds.get(what, 0.0) + time.perf_counter() - start

    def _record(self, knobs: Knobs, fitted: Fitted) -> RunRecord:
        rows = self._rows
        return RunRecord(
            task=rows.contract.task,
            backend=backend.name,
            precision=knobs.precision,
            seed=knobs.seed,
            data_hash=rows.digest,
            rows=len(rows.y),
            labelled=rows.labelled,
            fakes=knobs.fakes if fitted.fakes is not None else "none",
            knobs=knobs.as_record(),
            warnings=(*health.of_labels(rows.y, rows.contract.label.column), *fitted.warnings),
            parity=0.0,  # measured at export
        )


def _write_fakes(path: Path, fitted: Fitted, x: np.ndarray, seed: int) -> None:
    if fitted.fakes is None:
        return
    with path.open("wb") as handle:
        np.savez(handle, allow_pickle=False, x=fitted.fakes.sample(x, min(FAKES, len(x)), seed))


def _say_times(times: RunTimes, knobs: Knobs) -> None:
    fakes = f"fakes by {knobs.fakes}" if knobs.gan_weight else "no real/fake term"
    pace = times.steps_per_second
    spent = ", ".join(f"{name} {times.seconds[name]:.1f} s at {pace[name]:.0f} steps/s" for name in pace)
    say(f"train: {knobs.steps} steps each, {fakes}; {spent}; folds {times.seconds['folds']:.1f} s; on {times.device}")
