"""Rows of a file become rows of answers: pure, and one piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ssgan.contract import ROW_ID, Contract
from ssgan.intake.batch import feature_cells
from ssgan.intake.cells import Fault, Mask, as_text, column_of, is_any
from ssgan.learn.artefact import Predictions
from ssgan.ship.packaged import Packaged

FILE, ROW, REASONS = "_file", "_row", "_reasons"  # as in intake's quarantine
_ORIGIN = ("model", "data_version", "git_commit")


@dataclass(frozen=True)
class Piece:
    """Some rows of a file as they were read; row i (from 0) is data row `start + i + 1`."""

    number: int  # among all pieces, from 0
    file: str
    start: int
    table: pa.Table


@dataclass(frozen=True)
class Judged:
    """A piece whose cells were read by the contract's rules."""

    piece: Piece
    contract: Contract
    cells: dict[str, pa.Array]  # per feature
    faults: tuple[Fault, ...]

    @cached_property
    def bad(self) -> Mask:
        """The rows that the contract forbids, [n]."""
        return is_any(self.faults, self.piece.table.num_rows)

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """The good rows as the encoder takes them: float64 with NaN, or objects with None."""
        good = ~self.bad
        arrays = {name: each.to_numpy(zero_copy_only=False) for name, each in self.cells.items()}
        return arrays if good.all() else {name: each[good] for name, each in arrays.items()}

    @property
    def reasons(self) -> pa.Array:
        """Why a row is bad; null for a good one."""
        told: dict[int, list[str]] = {}
        for fault in self.faults:
            for row in np.flatnonzero(fault.rows).tolist():
                told.setdefault(row, []).append(f"{fault.column}: {fault.rule}")
        texts = ["; ".join(told[row]) if row in told else None for row in range(len(self.bad))] if told else None
        return pa.array(texts, pa.string()) if texts else pa.nulls(len(self.bad), pa.string())

    @property
    def names(self) -> dict[str, pa.Array]:
        """File, row number and, where the file has it, the id of every row."""
        rows, table = len(self.bad), self.piece.table
        found = {FILE: _constant(self.piece.file, rows), ROW: pa.array(self.piece.start + np.arange(1, rows + 1))}
        name = self.contract.id
        if name is not None:
            found[name] = as_text(column_of(table, name)) if name in table.column_names else pa.nulls(rows, pa.string())
        return found


def judge(piece: Piece, contract: Contract) -> Judged:
    """Reads the columns that the model needs; the file has them."""
    cells = {name: feature_cells(piece.table, name, contract) for name in contract.features}
    faults = tuple(fault for each in cells.values() for fault in each.faults)
    return Judged(piece, contract, {name: each.values for name, each in cells.items()}, faults)


def answers(judged: Judged, packaged: Packaged, said: Predictions | None = None) -> pa.Table:
    """One row of answers for every row of the piece; a bad row has none, but the reasons in `refused`.

    Args:
        judged: the rows.
        packaged: the model that answers.
        said: its answers to the good rows, where they are known already.
    """
    artefact, bad, rows = packaged.artefact, judged.bad, len(judged.bad)
    said = said or packaged.predict_columns(judged.columns)
    told = said_columns(said, judged.contract, artefact.ranges.names)
    columns = {name: _spread(each, bad) for name, each in told.items()}
    if said.sets is not None or said.low is not None:
        columns["coverage"] = pa.array(np.full(rows, artefact.calibration.coverage))
    columns["refused"] = judged.reasons
    columns |= {name: _constant(getattr(packaged.lineage, name), rows) for name in _ORIGIN}
    names = {ROW_ID if name in columns else name: each for name, each in judged.names.items()}
    return pa.table({**names, **columns})


def refused(judged: Judged) -> pa.Table:
    """The bad rows as they arrived, cells as text, with their reasons: what a quarantine file holds."""
    table, features = judged.piece.table, judged.contract.features
    cells = {name: _as_arrived(column_of(table, name)) for name in features}
    whole = pa.table({**judged.names, REASONS: judged.reasons, **cells})
    return whole.filter(pa.array(judged.bad))


def said_columns(said: Predictions, contract: Contract, ranged: Sequence[str]) -> dict[str, pa.Array]:
    """Answers as columns: label, probabilities and set, or value and interval; P(fake), unlike the training data.

    Args:
        said: the answers.
        contract: of the model.
        ranged: the columns that `said.outside` speaks of.
    """
    columns = {"value" if said.probabilities is None else "label": pa.array(np.ascontiguousarray(said.answer))}
    if said.probabilities is not None:
        shares = zip(contract.classes, said.probabilities.T, strict=True)
        columns |= {f"probability_{name}": pa.array(np.ascontiguousarray(each)) for name, each in shares}
    if said.sets is not None:
        columns["prediction_set"] = _lists(said.sets, contract.classes)
    if said.low is not None and said.high is not None:
        columns |= {"low": pa.array(said.low), "high": pa.array(said.high)}
    columns["fake_probability"] = pa.array(said.fake_probability)
    columns["unlike_training_data"] = pa.array(said.unlike)
    columns["outside_training_range"] = _named(said.outside, ranged, len(said.answer))
    return columns


def _named(outside: np.ndarray | None, names: Sequence[str], rows: int) -> pa.Array:
    """bool [n, C] -> the names of the columns that lie outside, as text [n]; null where none does."""
    if outside is None:
        return pa.nulls(rows, pa.string())
    far = outside.any(axis=1)
    texts = ["; ".join(name for name, found in zip(names, row, strict=True) if found) for row in outside[far].tolist()]
    whole = np.full(rows, None, object)
    whole[far] = texts
    return pa.array(whole, pa.string())


def _lists(sets: np.ndarray, classes: tuple[str, ...]) -> pa.Array:
    """bool [n, K] -> lists of class names [n]."""
    offsets = np.append(0, np.cumsum(sets.sum(axis=1))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(classes).take(pa.array(np.nonzero(sets)[1])))


def _spread(values: pa.Array, bad: Mask) -> pa.Array:
    """Answers of the good rows at their places among all rows, null elsewhere."""
    if not bad.any():
        return values
    places = np.cumsum(~bad) - 1
    return values.take(pa.array(np.where(bad, 0, places), mask=bad))


def _constant(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def _as_arrived(column: pa.Array) -> pa.Array:
    return column if pa.types.is_binary(column.type) else as_text(column)
