"""The stage `train`: the SSGAN and its supervised twin, trained, exported, compared with their exports."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssgan.config import TrainParams, read_params
from ssgan.contract import Contract
from ssgan.errors import DataError, ParamsError
from ssgan.learn import backend
from ssgan.learn.encode import Encoder
from ssgan.learn.export import export
from ssgan.learn.fakes import Fakes, GeneratorFakes, ShuffledColumns
from ssgan.learn.heads import Head, head_for
from ssgan.learn.networks import discriminator
from ssgan.learn.prepare import is_labelled
from ssgan.learn.step import (
    REPORTED,
    Average,
    Objective,
    Rows,
    Schedule,
    ssgan_objective,
    supervised_objective,
    training_step,
)
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import RunRecord, RunTimes

CALLS = 50  # of the compiled loop per run; each leaves a line in the history
GENERATOR, SHUFFLED = "generator", "shuffled columns"


@dataclass(frozen=True)
class Knobs:
    """What a run is made with: `train` of `params.yaml`, its nulls replaced by the defaults of the task."""

    seed: int
    steps: int
    batch: int
    learning_rate: float
    hidden: tuple[int, ...]
    fakes: Literal["generator", "shuffled columns"]
    gan_weight: float
    ramp: float
    ema: float

    def as_record(self) -> dict[str, int | float | str | bool | None]:
        """For the run record: one plain value per knob."""
        return {**vars(self), "hidden": ", ".join(str(width) for width in self.hidden)}


def resolve(params: TrainParams, contract: Contract) -> Knobs:
    """The knobs with every null replaced.

    `benchmarks/fakes.py` is the evidence for tables: shuffled columns teach classes most, and harm values.

    Raises:
        ParamsError: if images are to have shuffled columns.
    """
    given = {name: value for name, value in params.model_dump(exclude={"backend"}).items() if value is not None}
    if contract.image is not None:
        defaults: dict[str, Any] = {"steps": 1000, "learning_rate": 1e-3, "fakes": GENERATOR}
    else:
        fakes = SHUFFLED if contract.task == "classification" else GENERATOR
        # A value is learned in few steps and then by heart; only the classes' real/fake term goes on teaching.
        steps = 1500 if contract.task == "classification" else 150
        defaults = {"steps": steps, "learning_rate": 2e-3, "fakes": fakes}
    knobs = {**defaults, **given, "hidden": tuple(params.hidden)}
    knobs.setdefault("gan_weight", _gan_weight(contract, knobs["fakes"]))
    if contract.image is not None and knobs["fakes"] == SHUFFLED:
        raise ParamsError('train.fakes must be "generator" for images, which have no columns to shuffle; change it')
    return Knobs(**knobs)


def _gan_weight(contract: Contract, fakes: str) -> float:
    if contract.image is not None:
        return 1.0
    if fakes == GENERATOR:
        return 0.3
    return 3.0 if contract.task == "classification" else 1.0


@dataclass(frozen=True)
class Fitted:
    """A trained discriminator with its averaged weights in place."""

    discriminator: Any  # Keras model x -> [features, outputs]
    head: Head
    history: np.ndarray  # [calls, 1 + len(REPORTED)]: last step of the call, mean losses over it
    steps_per_second: float

    def outputs(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encoded rows -> task [n, K] or [n, 1], realness [n, 1]."""
        _, outputs = backend.predictor(self.discriminator)(x)
        return np.asarray(self.head.task(outputs)), np.asarray(self.head.realness(outputs))


def fit_discriminator(x: np.ndarray, y: np.ndarray, encoder: Encoder, head: Head, knobs: Knobs, name: str) -> Fitted:
    """Trains a discriminator; with `gan_weight` 0 on the labelled rows alone, which makes it the supervised twin.

    Args:
        x: encoded training rows, labelled or not, float32 [n, F] or [n, height, width, channels].
        y: int64 [n] with -1 unlabelled, or float64 [n] with NaN unlabelled.
        encoder: that made x.
        head: of the task.
        knobs: resolved.
        name: for the lines of progress.

    Raises:
        SsganError: if a loss stops being a number.
    """
    draws = backend.Draws(knobs.seed)
    net = discriminator(encoder, head, knobs.hidden, draws, knobs.seed)
    rows, schedule = Rows(x, y, head, draws), Schedule(knobs.steps, knobs.learning_rate, knobs.gan_weight, knobs.ramp)
    average = Average(net.trainable_variables, knobs.ema)
    objective: Objective
    if knobs.gan_weight == 0:
        learners = [net.trainable_variables]
        objective = supervised_objective(net, head, rows, knobs.batch)
    else:
        fakes = _fakes(x, encoder, knobs, draws)
        learners = [net.trainable_variables, *([fakes.weights] if fakes.weights else [])]
        objective = ssgan_objective(net, head, rows, knobs.batch, fakes, schedule)
    step = training_step(objective, learners, schedule, average)
    history, pace = _run(backend.compiled_loop(step, len(REPORTED)), knobs.steps, name)
    average.settle(knobs.steps)
    return Fitted(net, head, history, pace)


def _fakes(x: np.ndarray, encoder: Encoder, knobs: Knobs, draws: backend.Draws) -> Fakes:
    if knobs.fakes == SHUFFLED:
        return ShuffledColumns(x, encoder, draws)
    return GeneratorFakes(encoder, draws, knobs.seed + 1)


def _run(loop: Any, steps: int, name: str) -> tuple[np.ndarray, float]:
    """Runs the loop in equal calls (never by the clock: the history must not depend on the machine's mood)."""
    per_call = max(1, steps // CALLS)
    lines: list[list[float]] = []
    start = said = time.perf_counter()
    after_first, done = start, 0
    while done < steps:
        count = min(per_call, steps - done)
        losses = loop(done, count)
        if not np.isfinite(losses).all():
            raise ParamsError(
                f"the losses of {name} must stay finite; by step {done + count} of {steps} one did not: "
                "set a smaller train.learning_rate or train.gan_weight"
            )
        done += count
        lines.append([done, *losses.tolist()])
        now = time.perf_counter()
        if done == count:
            after_first = now  # the first call compiles
        elif now - said >= 1 or done == steps:
            said, pace = now, (done - per_call) / (now - after_first)
            terms = ", ".join(f"{term} {loss:.3f}" for term, loss in zip(REPORTED, losses, strict=True) if loss)
            say(f"train: {name} step {done}/{steps}, {pace:.0f} steps/s, {terms}")
    spent = time.perf_counter() - (after_first if done > per_call else start)
    return np.asarray(lines), max(done - per_call, 1) / spent


def train(project: Project) -> None:
    """Trains the SSGAN and the twin on `data/prepared`, and exports both to `models/`.

    Raises:
        DataError: if there is nothing prepared.
        SsganError: if training diverges, or an export does not answer as the network does.
    """
    if not (project.prepared / "train.npz").is_file():
        raise DataError("training needs data/prepared, which is not there: run `ssgan prepare` first")
    seconds: dict[str, float] = {}
    pace: dict[str, float] = {}
    contract = Contract.model_validate_json((project.prepared / "schema.json").read_text(encoding="utf-8"))
    encoder = Encoder.from_json((project.prepared / "encoder.json").read_text(encoding="utf-8"))
    with np.load(project.prepared / "train.npz", allow_pickle=False) as stored:
        x, y = stored["x"], stored["y"]
    knobs = resolve(read_params(project.params).train, contract)
    backend.deterministic(knobs.seed)
    say(f"train: {len(x)} rows, {int(is_labelled(y).sum())} labelled, on {backend.device()}")
    head = head_for(contract, y)
    with (project.prepared / "train.npz").open("rb") as handle:
        data_hash = hashlib.file_digest(handle, "sha256").hexdigest()
    for name, folder, used in (
        ("ssgan", project.model, knobs),
        ("twin", project.twin, replace(knobs, gan_weight=0.0)),
    ):
        start = time.perf_counter()
        fitted = fit_discriminator(x, y, encoder, head, used, name)
        trained = time.perf_counter()
        _write(folder, fitted, encoder, contract, x, _record(contract, y, used, data_hash))
        seconds[name], seconds[f"export {name}"] = trained - start, time.perf_counter() - trained
        pace[name] = fitted.steps_per_second
    RunTimes(device=backend.device(), seconds=seconds, steps_per_second=pace).write(project.times)
    fakes = f"fakes by {knobs.fakes}" if knobs.gan_weight else "no real/fake term"
    spent = ", ".join(f"{name} {seconds[name]:.1f} s at {pace[name]:.0f} steps/s" for name in pace)
    say(f"train: {knobs.steps} steps each, {fakes}; {spent}; on {backend.device()}")


def _record(contract: Contract, y: np.ndarray, knobs: Knobs, data_hash: str) -> RunRecord:
    return RunRecord(
        task=contract.task,
        backend="tensorflow",
        precision="float32",
        seed=knobs.seed,
        data_hash=data_hash,
        rows=len(y),
        labelled=int(is_labelled(y).sum()),
        fakes=knobs.fakes if knobs.gan_weight else "none",
        knobs=knobs.as_record(),
        parity=0.0,  # measured at export
    )


def _write(
    folder: Path, fitted: Fitted, encoder: Encoder, contract: Contract, x: np.ndarray, record: RunRecord
) -> None:
    """Writes the artefact beside its place, then moves it there whole."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    text: Mapping[str, str] = {
        "encoder.json": encoder.to_json(),
        "schema.json": contract.model_dump_json(indent=1) + "\n",
        "history.csv": _history_csv(fitted.history),
    }
    for name, content in text.items():
        (fresh / name).write_text(content, encoding="utf-8")
    export(fresh, fitted.discriminator, fitted.head, x, record)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _history_csv(history: np.ndarray) -> str:
    lines = [",".join(("step", *REPORTED))]
    lines += [",".join((str(int(line[0])), *(f"{loss:.6g}" for loss in line[1:]))) for line in history]
    return "\n".join(lines) + "\n"
