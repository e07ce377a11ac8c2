"""A judged batch: its verdict, and which of its rows go where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import GROUP, ORIGIN, ROW_ID, Contract
from ssgan.intake.batch import Batch, Part
from ssgan.intake.cells import as_text, column_of
from ssgan.intake.facts import Outcome
from ssgan.intake.identity import Places, Repeats
from ssgan.intake.pictures import in_words
from ssgan.intake.tally import Tally
from ssgan.records import RefusedRow, Verdict

LISTED = 1000  # refused rows in the verdict; the quarantine file has all
SHOWN = 80  # characters of a refused value
ROW, REASONS = "_row", "_reasons"  # columns of the quarantine file, before the untouched row


@dataclass(frozen=True)
class Judged:
    """A verdict, and which rows of the batch go where; a rejected batch is divided into nothing."""

    verdict: Verdict
    batch: Batch
    tally: Tally | None = None
    outcome: Outcome | None = None
    faults: tuple[tuple[str, str, Places], ...] = ()  # (rule, column, rows): whatever refuses a row
    repeats: Repeats = field(default_factory=Repeats)
    copy_numbers: np.ndarray | None = None  # int32 [rows], where rows are named by their content
    seconds: dict[str, float] = field(default_factory=dict)  # of the whole, and of Great Expectations in it

    @property
    def accepted(self) -> pa.Table | None:
        """The new rows in the accepted format, all at once."""
        return None if self.verdict.decision == "reject" else pa.concat_tables(self.accepted_parts())

    @property
    def quarantine(self) -> pa.Table | None:
        """The refused rows as they arrived, all at once; None if there is none."""
        return pa.concat_tables(self.quarantine_parts()) if self.verdict.quarantine_file else None

    def accepted_parts(self) -> Iterator[pa.Table]:
        """The new rows, part by part."""
        assert self.outcome is not None
        new = self.outcome.new
        for part in self.batch.parts():
            chosen = new[part.start : part.start + part.table.num_rows]
            rows = part.rows
            if self.copy_numbers is not None:
                numbers = self.copy_numbers[part.start : part.start + len(chosen)]
                rows = rows.set_column(0, ROW_ID, _numbered(rows.column(ROW_ID).combine_chunks(), numbers))
                if self.batch.contract.group is None:
                    rows = rows.set_column(1, GROUP, part.rows.column(ROW_ID))
            yield rows.filter(pa.array(chosen))

    def quarantine_parts(self) -> Iterator[pa.Table]:
        """The refused rows, part by part: `_row` (from 1), `_reasons`, and the row as text; images stay bytes."""
        for part in self.batch.parts():
            yield quarantine_rows(part, reasons_of(part, self.faults, self.batch.contract))


def _numbered(ids: pa.Array, numbers: np.ndarray) -> pa.Array:
    rows = np.flatnonzero(numbers)
    if not len(rows):
        return ids
    words = [
        f"{name}-{number}"
        for name, number in zip(ids.take(pa.array(rows)).to_pylist(), numbers[rows].tolist(), strict=True)
    ]
    return pc.replace_with_mask(ids, pa.array(numbers > 0), pa.array(words, pa.string()))


def reasons_of(
    part: Part, faults: Sequence[tuple[str, str, Places]], contract: Contract, at_most: int | None = None
) -> list[tuple[int, str, str, str, str]]:
    """(row from 1, id, rule, column, value as it stands in the file) of every fault in a part, by row and column."""
    found: list[tuple[int, str, str, str, str]] = []
    end = part.start + part.table.num_rows
    names = column_of(part.table, contract.id) if contract.id else column_of(part.rows, ROW_ID)
    for rule, column, rows in faults:
        low, high = np.searchsorted(rows, [part.start, end])
        here = rows[low:high] if at_most is None else rows[low:high][:at_most]
        if not len(here):
            continue
        taken = pa.array(here - part.start)
        source = part.table if column in part.table.column_names else part.rows
        values = _as_it_stands(column_of(source, column).take(taken)).to_pylist()
        if ORIGIN in part.table.column_names and pa.types.is_binary(column_of(source, column).type):
            names_of_files = column_of(part.table, ORIGIN).take(taken).to_pylist()
            values = [f"{name}: {value}" for name, value in zip(names_of_files, values, strict=True)]
        ids = as_text(names.take(taken)).to_pylist()
        found += [
            (row + 1, _cut(name), rule, column, _cut(value))
            for row, name, value in zip(here.tolist(), ids, values, strict=True)
        ]
    order = {name: place for place, name in enumerate(part.table.column_names)}
    found.sort(key=lambda each: (each[0], order.get(each[3], len(order)), each[2]))
    return found


def list_refused(batch: Batch, faults: Sequence[tuple[str, str, Places]], contract: Contract) -> tuple[RefusedRow, ...]:
    """The first reasons, by row; only the parts that have them are read again."""
    found: list[RefusedRow] = []
    if not faults:
        return ()
    for part in batch.parts():
        reasons = reasons_of(part, faults, contract, LISTED)[: LISTED - len(found)]
        found += [
            RefusedRow(row=row, id=name, rule=rule, column=column, value=value)
            for row, name, rule, column, value in reasons
        ]
        last = max(int(rows[-1]) for _, _, rows in faults if len(rows))
        if len(found) >= LISTED or part.start + part.table.num_rows > last:
            break
    return tuple(found)


def _cut(text: str | None) -> str:
    return (text or "")[:SHOWN]


def _as_it_stands(column: pa.Array) -> pa.Array:
    """A column as text, with the blanks that a text column has; images in a few words."""
    if pa.types.is_binary(column.type):
        return pa.array([in_words(cell) for cell in column.to_pylist()], pa.string())
    return column if pa.types.is_string(column.type) else as_text(column)


def quarantine_rows(part: Part, reasons: Sequence[tuple[int, str, str, str, str]]) -> pa.Table:
    """The refused rows of a part as they arrived, with their numbers and reasons."""
    said: dict[int, list[str]] = {}
    for row, _, rule, column, value in reasons:
        said.setdefault(row, []).append(f"{column} = {value!r}: {rule}")
    rows = np.array(list(said), np.int64)
    columns = {ROW: pa.array(rows, pa.int64()), REASONS: pa.array(["; ".join(said[row]) for row in said], pa.string())}
    for name in part.table.column_names:
        column = column_of(part.table, name).take(pa.array(rows - 1 - part.start))
        columns[name] = column if pa.types.is_binary(column.type) else _as_it_stands(column)
    return pa.table(columns)
