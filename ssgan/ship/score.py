"""The champion answers every record of a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.intake.batch import feature_cells
from ssgan.intake.cells import Fault, Mask, column_of
from ssgan.intake.read import nearest, read_table
from ssgan.learn.artefact import Artefact, Predictions
from ssgan.learn.prepare import frame_columns
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Lineage
from ssgan.ship.champion import require_champion


def score(project: Project, file: Path, out: Path) -> int:
    """Writes one answer per row of `file` to the Parquet file `out`, in the same order.

    A row that the contract forbids gets no answer but the reason, in the column `refused`. Columns that the model does
    not need, such as the label, are ignored.

    Returns:
        The number of rows that were answered.

    Raises:
        DataError: if the file cannot be read, lacks a column, or `out` is no place for a file.
        ProjectError: if there is no champion.
        ArtefactError: if the champion is damaged.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise DataError(f"{out} is no place for a file; name a file in a directory that exists")
    if out.resolve() == file.resolve():
        raise DataError(f"{out} is the file to be answered; name another one for the answers")
    champion = require_champion(project)
    artefact = Artefact.load(project.root / champion.model)
    contract = artefact.contract
    table = read_table(file, contract.files)
    _require_columns(table, contract, file)
    cells = {name: feature_cells(table, name, contract) for name in contract.features}
    faults = [fault for each in cells.values() for fault in each.faults]
    refused = np.zeros(table.num_rows, bool)
    for fault in faults:
        refused |= fault.rows
    good = pa.table({name: each.values for name, each in cells.items()}).filter(pa.array(~refused)).to_pandas()
    said = artefact.predict_columns(frame_columns(good, contract))
    answers = _answers(table, contract, said, refused, faults, champion.lineage)
    _write(answers, out)
    say(f"{len(good)} rows answered, {int(refused.sum())} refused")
    return len(good)


def _require_columns(table: pa.Table, contract: Contract, file: Path) -> None:
    for name in contract.features:
        if name not in table.column_names:
            near = nearest(name, table.column_names)
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(table.column_names[:8])}"
            raise DataError(f"{file.name} has no column `{name}`, which the model needs; {hint}")


def _answers(
    table: pa.Table, contract: Contract, said: Predictions, refused: Mask, faults: list[Fault], lineage: Lineage
) -> pa.Table:
    columns: dict[str, pa.Array] = {"_row": pa.array(np.arange(1, table.num_rows + 1))}
    if contract.id in table.column_names:
        columns[str(contract.id)] = column_of(table, str(contract.id))
    columns["value" if said.probabilities is None else "label"] = _spread(said.answer, refused)
    if said.probabilities is not None:
        for number, name in enumerate(contract.classes):
            columns[f"probability_{name}"] = _spread(said.probabilities[:, number], refused)
    columns["fake_probability"] = _spread(said.fake_probability, refused)
    columns["refused"] = _reasons(faults, table.num_rows)
    for name in ("model", "data_version", "git_commit"):
        columns[name] = pa.array([getattr(lineage, name)] * table.num_rows).dictionary_encode()
    return pa.table(columns)


def _spread(values: np.ndarray, refused: Mask) -> pa.Array:
    """Answers of the good rows at their places among all rows, null elsewhere."""
    places = np.cumsum(~refused) - 1
    return pa.array(values).take(pa.array(np.where(refused, 0, places), mask=refused))


def _reasons(faults: list[Fault], rows: int) -> pa.Array:
    reasons: list[str | None] = [None] * rows
    for fault in faults:
        for row in np.flatnonzero(fault.rows).tolist():
            reasons[row] = "; ".join(filter(None, (reasons[row], f"{fault.column}: {fault.rule}")))
    return pa.array(reasons, pa.string())


def _write(answers: pa.Table, out: Path) -> None:
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        pq.write_table(answers, fresh)
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
