"""The stage `train`: the SSGAN and its supervised twin, trained, exported, compared with their exports."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ssgan.config import read_params
from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.learn import backend
from ssgan.learn.checkpoint import Checkpoints
from ssgan.learn.committee import Committee
from ssgan.learn.encode import Encoder
from ssgan.learn.export import export
from ssgan.learn.fit import Fitted, committee_of, fit_discriminator
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import Knobs, resolve
from ssgan.learn.prepare import is_labelled
from ssgan.learn.terms import REPORTED
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import RunRecord, RunTimes


def train(project: Project) -> None:
    """Trains the SSGAN and the twin on `data/prepared`, and exports both to `models/`.

    A run that was killed goes on from its last checkpoint, and ends with the same bytes.

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
    with (project.prepared / "train.npz").open("rb") as handle:
        data_hash = hashlib.file_digest(handle, "sha256").hexdigest()
    known = int(is_labelled(y).sum())
    knobs = resolve(read_params(project.params).train, contract, known)
    backend.deterministic(knobs.seed)
    nothing = "; every row has a label, so nothing is learned from unlabelled ones" if known == len(y) else ""
    say(f"train: {len(x)} rows, {known} labelled, on {backend.device()}{nothing}")
    head = head_for(contract, y, knobs.head)
    checkpoints = {}
    for name, folder, used in (("ssgan", project.model, knobs), ("twin", project.twin, knobs.twin())):
        start = time.perf_counter()
        run = hashlib.sha256(f"{data_hash} {used.digest()} {backend.name}".encode()).hexdigest()
        checkpoints[name] = Checkpoints(project.runtime / "checkpoints" / name, run)
        fitted = fit_discriminator(x, y, encoder, head, used, name, checkpoints=checkpoints[name])
        trained = time.perf_counter()
        committee = committee_of(x, y, head, used)
        _write(folder, fitted, encoder, contract, x, _record(contract, y, used, data_hash, fitted), committee)
        seconds[name], seconds[f"export {name}"] = trained - start, time.perf_counter() - trained
        pace[name] = fitted.steps_per_second
    for each in checkpoints.values():
        each.clear()
    RunTimes(device=backend.device(), seconds=seconds, steps_per_second=pace).write(project.times)
    fakes = f"fakes by {knobs.fakes}" if knobs.gan_weight else "no real/fake term"
    spent = ", ".join(f"{name} {seconds[name]:.1f} s at {pace[name]:.0f} steps/s" for name in pace)
    say(f"train: {knobs.steps} steps each, {fakes}; {spent}; on {backend.device()}")


def _record(contract: Contract, y: np.ndarray, knobs: Knobs, data_hash: str, fitted: Fitted) -> RunRecord:
    return RunRecord(
        task=contract.task,
        backend=backend.name,
        precision=knobs.precision,
        seed=knobs.seed,
        data_hash=data_hash,
        rows=len(y),
        labelled=int(is_labelled(y).sum()),
        fakes=knobs.fakes if knobs.gan_weight else "none",
        knobs=knobs.as_record(),
        warnings=fitted.warnings,
        parity=0.0,  # measured at export
    )


def _write(
    folder: Path,
    fitted: Fitted,
    encoder: Encoder,
    contract: Contract,
    x: np.ndarray,
    record: RunRecord,
    committee: Committee | None,
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
    export(fresh, fitted.discriminator, fitted.head, x, record, committee)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _history_csv(history: np.ndarray) -> str:
    lines = [",".join(("step", *REPORTED))]
    lines += [",".join((str(int(line[0])), *(f"{loss:.6g}" for loss in line[1:]))) for line in history]
    return "\n".join(lines) + "\n"
