"""What is remembered of each part of a batch while it goes by, so that a file larger than memory can be judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import ROW_ID, Contract
from ssgan.intake.batch import Part
from ssgan.intake.cells import UNKNOWN_LABEL, Floats, Mask, as_text, column_of
from ssgan.intake.drift import NumberSummary, NumberTally, WordSummary, tally_numbers
from ssgan.intake.keys import Keys, among, near_keys, row_order
from ssgan.intake.reference import SAMPLE, Reference, drawn, id_keys, word_counts

Places = npt.NDArray[np.int64]
LONGEST_WORD = 40  # characters of an unknown label


@dataclass
class Tally:
    """Sums over the parts seen so far; per row a key, a label and a flag, which are 11 to 25 bytes."""

    contract: Contract
    reference: Reference
    rows: int = 0
    numbers: dict[str, NumberTally] = field(default_factory=dict)  # of rows that are good and new
    words: dict[str, Counter[str]] = field(default_factory=dict)
    label_numbers: NumberTally | None = None
    unknown_labels: Counter[str] = field(default_factory=Counter)
    unreadable_labels: int = 0
    _good: list[Mask] = field(default_factory=list)
    _keys: list[Keys] = field(default_factory=list)
    _near: list[Keys] = field(default_factory=list)
    _labels: list[np.ndarray] = field(default_factory=list)
    _faults: dict[tuple[str, str], list[Places]] = field(default_factory=dict)
    _noted: dict[tuple[str, str], int] = field(default_factory=dict)
    _drawn: list[tuple[Keys, pa.Table]] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """Counts one more part."""
        contract, rows = self.contract, part.rows
        keys = id_keys(rows.column(ROW_ID).combine_chunks(), contract)
        label = rows.column(contract.label.column).combine_chunks()
        self._keys.append(keys)
        self._good.append(part.good)
        self._labels.append(_codes(label, contract))
        if contract.rules.near_duplicate_share_at_most is not None:
            self._near.append(near_keys([rows.column(name).combine_chunks() for name in contract.features]))
        for fault in part.faults:
            self._faults.setdefault((fault.rule, fault.column), []).append(part.start + np.flatnonzero(fault.rows))
        for fault in part.noted:
            place = (fault.rule, fault.column)
            self._noted[place] = self._noted.get(place, 0) + int(fault.rows.sum())
        self._count_unknown(part)
        known = among(keys, self.reference.keys) if contract.copies != "keep" else np.zeros(len(keys), bool)
        self._count_drift(part, label, part.good & ~known)
        self.rows += len(keys)

    def _count_unknown(self, part: Part) -> None:
        name = self.contract.label.column
        unreadable = [fault for fault in part.faults if fault.column == name]
        rows = np.zeros(len(part.good), bool)
        for fault in unreadable:
            rows |= fault.rows
            if fault.rule == UNKNOWN_LABEL:
                words = as_text(column_of(part.table, name).take(pa.array(np.flatnonzero(fault.rows))))
                self.unknown_labels.update(word_counts(pc.utf8_slice_codeunits(words, 0, LONGEST_WORD)))
        self.unreadable_labels += int(rows.sum())

    def _count_drift(self, part: Part, label: pa.Array, fresh: Mask) -> None:
        chosen = pa.array(fresh)
        for name, summary in self.reference.columns.items():
            if isinstance(summary, WordSummary):
                self.words.setdefault(name, Counter()).update(word_counts(_column(part, name).filter(chosen)))
            else:
                aspect = part.aspects.get(name)
                values = _column(part, name).to_numpy(zero_copy_only=False) if aspect is None else aspect
                self.numbers[name] = _plus(self.numbers.get(name), summary, values[fresh])
        if self.reference.label is not None:
            values = label.to_numpy(zero_copy_only=False)[fresh]
            self.label_numbers = _plus(self.label_numbers, self.reference.label, values)  # type: ignore[arg-type]
        if self.contract.rules.joint_drift_auc_at_most is not None and self.reference.rows:
            places = np.flatnonzero(fresh)
            order = row_order(part.start + places)
            lowest = np.sort(np.argpartition(order, SAMPLE)[:SAMPLE]) if len(order) > SAMPLE else np.arange(len(order))
            table = part.rows.select(list(self.contract.features)).take(pa.array(places[lowest]))
            self._drawn = [drawn(self._drawn, order[lowest], table)]

    @property
    def good(self) -> Mask:
        """The rows that break no rule by themselves [rows]."""
        return _whole(self._good)

    @property
    def keys(self) -> Keys:
        """Of every row's name [rows]."""
        return _whole(self._keys)

    @property
    def labels(self) -> np.ndarray:
        """int16 place of the class, -1 unlabelled; or float64, NaN unlabelled [rows]."""
        return _whole(self._labels)

    @property
    def near(self) -> Keys:
        """Keys of the rows to three digits, where they are wanted [rows]."""
        return _whole(self._near)

    @property
    def faults(self) -> list[tuple[str, str, Places]]:
        """(rule, column, rows) of whatever refuses a row by itself."""
        return [(rule, column, np.concatenate(rows)) for (rule, column), rows in self._faults.items()]

    @property
    def noted(self) -> dict[tuple[str, str], int]:
        """Rows that break a rule whose breach is only said, by (rule, column)."""
        return self._noted

    @property
    def sample(self) -> pa.Table | None:
        """At most 2000 good and new rows, drawn by their place in the file."""
        return self._drawn[0][1] if self._drawn else None


def labelled(labels: np.ndarray) -> Mask:
    """Which codes are labels."""
    return np.asarray(~np.isnan(labels) if labels.dtype.kind == "f" else labels >= 0, bool)


def _whole(pieces: list[np.ndarray]) -> np.ndarray:
    """All pieces as one array, which takes their place, so that nothing is held twice."""
    if len(pieces) > 1:
        pieces[:] = [np.concatenate(pieces)]
    return pieces[0]


def _codes(label: pa.Array, contract: Contract) -> np.ndarray:
    if not contract.classes:
        return np.asarray(label.to_numpy(zero_copy_only=False), np.float64)
    places = pc.index_in(label, value_set=pa.array(contract.classes, pa.string()))
    return np.asarray(pc.fill_null(places, -1).to_numpy(zero_copy_only=False), np.int16)


def _column(part: Part, name: str) -> pa.Array:
    return part.rows.column(name).combine_chunks()


def _plus(before: NumberTally | None, summary: NumberSummary, values: Floats) -> NumberTally:
    fresh = tally_numbers(summary, values)
    return fresh if before is None else before + fresh
