"""Which rows are the same: copies within a batch, and rows that were accepted before.

A row that comes again as it was is passed over. If it was unlabelled and now has a label, the label is merged into the
accepted row: so partly labelled data grows. If its label or its values differ, the contract's `conflicts` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.contract import GROUP, ROW_ID, Contract
from ssgan.intake.cells import Mask
from ssgan.intake.keys import NOTHING, Keys, among

DUPLICATE_ID = "duplicate id"
DUPLICATE_ROW = "duplicate row"
LABEL_CONFLICT = "label conflict"
ROW_CHANGED = "row changed"
PLACE = "_place"  # of a candidate: its row in the batch, from 0

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rewrite:
    """Rows of one accepted file that get other values."""

    file: Path
    places: Places  # in the file
    rows: pa.Table  # what they become: columns as in the file


@dataclass
class Repeats:
    """What becomes of the rows of a batch that were accepted before."""

    rewrites: list[Rewrite] = field(default_factory=list)
    faults: list[tuple[str, str, Places]] = field(default_factory=list)  # (rule, column, rows of the batch)
    passed_over: int = 0
    labels_added: int = 0
    labels_changed: int = 0
    rows_replaced: int = 0
    labelled: dict[str, int] = field(default_factory=dict)  # by how much the labelled rows of each class change


def copies(keys: Keys, good: Mask, policy: str) -> Mask:
    """The rows to refuse because their key is there more than once.

    Args:
        keys: Of all rows of the batch; `NOTHING` where there is no id.
        good: The rows that are not refused for another reason; with "first" or "last", one of them stays.
        policy: "quarantine" refuses every copy; "first" and "last" keep one; "keep" refuses none.
    """
    if policy == "keep":
        return np.zeros(len(keys), bool)
    repeated = among(keys, _repeated(keys))
    if policy == "quarantine" or not repeated.any():
        return repeated
    eligible = np.flatnonzero(repeated & good)
    if policy == "last":
        eligible = eligible[::-1]
    _, firsts = np.unique(keys[eligible], return_index=True)
    repeated[eligible[firsts]] = False
    return repeated & good


def _repeated(keys: Keys) -> Keys:
    ordered = np.sort(keys)
    twice: Keys = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.asarray(twice[twice != NOTHING], np.uint64)


def copy_numbers(keys: Keys, known: Keys) -> npt.NDArray[np.int32]:
    """How many rows with the same key come before each row, in the accepted data and in the batch.

    It stands behind the name of a row that is named by its content, so that no name is given twice.
    """
    numbers = np.zeros(len(keys), np.int32)
    rows = np.flatnonzero(among(keys, _repeated(keys)) | among(keys, known))
    if not len(rows):
        return numbers
    order = np.argsort(keys[rows], kind="stable")
    ordered = keys[rows][order]
    begins = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(ordered)), 0))
    accepted = np.searchsorted(known, ordered, "right") - np.searchsorted(known, ordered, "left")
    numbers[rows[order]] = np.arange(len(ordered)) - first + accepted
    return numbers


def resolve(candidates: pa.Table, files: Sequence[Path], contract: Contract) -> Repeats:
    """Compares rows whose key is known with the accepted rows of the same `_id`.

    Args:
        candidates: Good rows of the batch in the accepted format, with their `PLACE`; every `_id` once.
        files: The accepted data.
        contract: Whose `conflicts` decides.

    Returns:
        What becomes of those that are there; a candidate that is not in the accepted data is in no part of it, and
        `found` says which were.
    """
    repeats = Repeats()
    for file in files:
        ids = pq.read_table(file, columns=[ROW_ID]).column(ROW_ID).combine_chunks()
        index = pc.index_in(ids, value_set=candidates.column(ROW_ID).combine_chunks())
        places = np.flatnonzero(pc.is_valid(index).to_numpy(zero_copy_only=False))
        if not len(places):
            continue
        old = pq.read_table(file).take(pa.array(places))
        new = candidates.take(index.take(pa.array(places)))
        _compare(repeats, file, places, old, new, contract)
    return repeats


def found(candidates: pa.Table, files: Sequence[Path]) -> Mask:
    """Which candidates really are in the accepted data; a shared key alone is no proof."""
    hit = np.zeros(candidates.num_rows, bool)
    for file in files:
        ids = pq.read_table(file, columns=[ROW_ID]).column(ROW_ID).combine_chunks()
        hit |= pc.is_in(candidates.column(ROW_ID), value_set=ids).to_numpy()
    return hit


def _compare(repeats: Repeats, file: Path, places: Places, old: pa.Table, new: pa.Table, contract: Contract) -> None:
    label = contract.label.column
    names = [*contract.features, *([GROUP] if contract.group else [])]
    differs = np.stack([_differ(old, new, name) for name in names])
    changed: Mask = np.asarray(differs.any(axis=0), bool)
    had, has = (~_missing(table.column(label)) for table in (old, new))
    conflict = had & has & _differ(old, new, label)
    late = ~had & has
    rows = new.column(PLACE).to_numpy()
    same_kind = {*names, label} <= {*old.column_names}
    if contract.conflicts == "quarantine" or not same_kind:
        for place, name in enumerate(names):
            first = changed & ~conflict & differs[place] & ~differs[:place].any(axis=0)
            repeats.faults += [(ROW_CHANGED, name, rows[first])] if first.any() else []
        repeats.faults += [(LABEL_CONFLICT, label, rows[conflict])] if conflict.any() else []
        refused: Mask = changed | conflict
        relabel, replace = late & ~refused, np.zeros(len(rows), bool)
    elif contract.conflicts == "newest":
        refused, relabel, replace = np.zeros(len(rows), bool), late | conflict, changed
    else:
        refused, relabel, replace = np.zeros(len(rows), bool), late, np.zeros(len(rows), bool)
    repeats.labels_added += int((relabel & late).sum())
    repeats.labels_changed += int((relabel & conflict).sum())
    repeats.rows_replaced += int(replace.sum())
    repeats.passed_over += int((~refused & ~relabel & ~replace).sum())
    touched = relabel | replace
    if not touched.any():
        return
    _count(repeats.labelled, old.column(label).filter(pa.array(relabel & had)), -1, contract)
    _count(repeats.labelled, new.column(label).filter(pa.array(relabel)), 1, contract)
    columns = {}
    for name in old.column_names:
        take = relabel if name == label else (replace if name in names else np.zeros(len(rows), bool))
        source = new.column(name) if name in new.column_names else old.column(name)
        columns[name] = pc.if_else(pa.array(take), source, old.column(name))
    made = pa.table(columns).cast(old.schema).filter(pa.array(touched))
    repeats.rewrites.append(Rewrite(file, places[touched], made))


def _differ(old: pa.Table, new: pa.Table, name: str) -> Mask:
    """Whether two cells differ; two missing ones do not. A column that only one side has differs everywhere."""
    if name not in old.column_names or old.column(name).type != new.column(name).type:
        return np.ones(new.num_rows, bool)
    first, second = old.column(name), new.column(name)
    if pa.types.is_floating(first.type):
        a, b = first.to_numpy(), second.to_numpy()
        return np.asarray(~((a == b) | (np.isnan(a) & np.isnan(b))), bool)
    same = pc.fill_null(pc.equal(first, second), False).to_numpy()
    both = pc.and_(pc.is_null(first), pc.is_null(second)).to_numpy()
    return np.asarray(~(same | both), bool)


def _missing(column: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(), bool)


def _count(counts: dict[str, int], labels: pa.ChunkedArray, sign: int, contract: Contract) -> None:
    words = labels.to_pylist() if contract.classes else ["labelled"] * len(labels)
    for word in words:
        counts[word] = counts.get(word, 0) + sign


def rewritten(rewrite: Rewrite) -> pa.Table:
    """The whole file with the new rows in their places."""
    table = pq.read_table(rewrite.file)
    chosen = np.arange(table.num_rows)
    chosen[rewrite.places] = table.num_rows + np.arange(len(rewrite.places))
    return pa.concat_tables([table, rewrite.rows]).take(pa.array(chosen)).combine_chunks()
