"""A batch as it arrived, and its parts with every cell read and every row judged by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import GROUP, KEEPABLE, ROW_ID, CategoryColumn, ClassLabel, Contract, IgnoredColumn, ImageColumn
from ssgan.errors import DataError
from ssgan.intake.arrival import Sight, sight_of
from ssgan.intake.cells import (
    Cells,
    Fault,
    Floats,
    Mask,
    as_text,
    canonical,
    class_cells,
    column_of,
    image_cells,
    is_any,
    number_cells,
    text_cells,
    word_cells,
)
from ssgan.intake.read import check_file, open_source, require_label, sha256_of
from ssgan.intake.source import Source
from ssgan.records import BatchManifest

BATCH_DIGITS = 12  # of the file's sha256, which name the batch
CONTENT_DIGITS = 32  # of the sha256 of a row's content, which name a row without an id


@dataclass(frozen=True)
class Part:
    """Some rows of a batch whose columns fit the contract; row i (from 0) is data row `start + i + 1` of the file."""

    start: int
    table: pa.Table  # as read; from CSV: every cell as text, as it stands there
    rows: pa.Table  # `_id`, `_group`, the features, the label: the accepted format
    faults: tuple[Fault, ...]  # what refuses a row
    noted: tuple[Fault, ...]  # what is only said
    aspects: dict[str, Floats]  # of images: further columns that drift is measured on

    @cached_property
    def good(self) -> Mask:
        """The rows that break no rule by themselves."""
        return ~is_any(self.faults, self.table.num_rows)


@dataclass
class Batch:
    """A file that is a batch, not judged yet."""

    source: Source
    sha256: str
    contract: Contract
    seen_at: str
    sight: Sight  # from before it was read

    @property
    def name(self) -> str:
        """The batch's name: the start of its content's sha256."""
        return self.sha256[:BATCH_DIGITS]

    @cached_property
    def manifest(self) -> BatchManifest:
        """What arrived; reads the label column of the whole file."""
        labels = [label_cells(part, self.contract) for part in self.source.parts()]
        counts: dict[str, int] = {}
        for each in labels:
            counts = added(counts, label_counts(each.values, self.contract))
        refused = sum(int(is_any(each.faults, len(each.values)).sum()) for each in labels)
        return self.manifest_of(sum(len(each.values) for each in labels), counts, refused)

    def manifest_of(self, rows: int, labelled: dict[str, int], refused: int) -> BatchManifest:
        """What arrived, from its counts: rows, labelled rows per class, rows whose label cannot be read."""
        return BatchManifest(
            batch=self.name,
            source=self.source.path.name,
            sha256=self.sha256,
            rows=rows,
            columns=self.source.columns,
            labelled=labelled,
            unlabelled=rows - sum(labelled.values()) - refused,
            seen_at=self.seen_at,
        )

    def require_unchanged(self) -> None:
        """Makes sure that what was read so far is one and the same file.

        Raises:
            DataError: if somebody has written to it since it was opened.
        """
        if sight_of(self.source.path) != self.sight:
            raise DataError(
                f"{self.source.path.name} must not change while it is taken in, and it has: it may still be being "
                "copied; take it in when the copy is complete"
            )

    def parts(self) -> Iterator[Part]:
        """Every part, judged; the table must have the columns that the contract wants."""
        start = 0
        for table in self.source.parts():
            yield judge_part(table, start, self.contract)
            start += table.num_rows


def read_batch(path: Path, contract: Contract) -> Batch:
    """Opens one file.

    Raises:
        DataError: if the file is no table with at least one row and a label column.
    """
    check_file(path)
    sight = sight_of(path)
    source = open_source(path, contract)
    require_label(path, source.columns, contract.label.column, "where nothing is labelled yet, add it as an empty one")
    source.begin()
    return Batch(source, sha256_of(path), contract, datetime.now(UTC).isoformat(), sight)


def label_cells(table: pa.Table, contract: Contract) -> Cells:
    """The label column, read as what the contract says it is."""
    label = contract.label
    column = column_of(table, label.column)
    if isinstance(label, ClassLabel):
        return class_cells(column, label.column, label.classes, contract.missing, label.unlabelled)
    if label.unlabelled:
        column = _without_words(column, label.unlabelled)
    decimal, kept = contract.files.decimal, kept_rules(contract)
    return number_cells(column, label.column, label, contract.missing, label=True, decimal=decimal, kept=kept)


def _without_words(column: pa.Array, words: Sequence[str]) -> pa.Array:
    """The column without the cells that say unlabelled, whether they are words or numbers."""
    encoded = pc.dictionary_encode(as_text(column))
    nothing = {canonical(word) for word in words}
    says = pa.array([word is not None and canonical(word) in nothing for word in encoded.dictionary.to_pylist()])
    hit = pc.fill_null(says.cast(pa.bool_()).take(encoded.indices), False)
    return pc.if_else(hit, pa.scalar(None, column.type), column)


def kept_rules(contract: Contract) -> tuple[str, ...]:
    """The rules whose breach is only said."""
    return tuple(rule for rule in KEEPABLE if contract.severity_of(rule) == "info")


def label_counts(labels: pa.Array, contract: Contract) -> dict[str, int]:
    """Labelled rows per class, or as `{"labelled": n}`."""
    if not contract.classes:
        return {"labelled": int(np.isfinite(labels.to_numpy(zero_copy_only=False)).sum())}
    counted = {each["values"]: each["counts"] for each in pc.value_counts(labels).to_pylist()}
    return {name: counted.get(name, 0) for name in contract.classes}


def added(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    """The sum of two counts."""
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


def wanted_columns(contract: Contract) -> list[str]:
    """The columns that a file must have; an ignored one may be absent."""
    return [name for name in contract.file_columns if not isinstance(contract.columns.get(name), IgnoredColumn)]


def judge_part(table: pa.Table, start: int, contract: Contract) -> Part:
    """Reads every column and finds the rows that break a rule by themselves.

    Without an id column, rows of the same content have the same `_id` here; see `identity.py`.
    """
    features = {name: feature_cells(table, name, contract) for name in contract.features}
    label = label_cells(table, contract)
    named = {
        name: text_cells(column_of(table, name), name, contract.missing)
        for name in dict.fromkeys(each for each in (contract.id, contract.group) if each)
    }
    cells = [*named.values(), *features.values(), label]
    columns = {name: each.values for name, each in features.items()}
    ids = named[contract.id].values if contract.id is not None else content_hashes(list(columns.values()))
    groups = named[contract.group].values if contract.group else ids
    return Part(
        start,
        table,
        pa.table({ROW_ID: ids, GROUP: groups, **columns, contract.label.column: label.values}),
        tuple(fault for each in cells for fault in each.faults),
        tuple(fault for each in cells for fault in each.noted),
        {name: values for each in features.values() for name, values in each.aspects.items()},
    )


def feature_cells(table: pa.Table, name: str, contract: Contract) -> Cells:
    """One feature, read as what the contract says it is."""
    column, rule = column_of(table, name), contract.columns[name]  # `features` would be made anew for each column
    assert not isinstance(rule, IgnoredColumn), name
    if isinstance(rule, CategoryColumn):
        return word_cells(column, name, rule, contract.missing)
    if isinstance(rule, ImageColumn):
        return image_cells(column, name, rule)
    decimal, kept = contract.files.decimal, kept_rules(contract)
    return number_cells(column, name, rule, contract.missing, decimal=decimal, kept=kept)


def content_hashes(columns: Sequence[pa.Array]) -> pa.Array:
    """A name for each row made of its content: 32 digits of a sha256 over 8 bytes per column."""
    blocks = np.concatenate([_eight_bytes(column) for column in columns], axis=1)
    return pa.array([hashlib.sha256(row).hexdigest()[:CONTENT_DIGITS] for row in blocks], pa.string())


def _eight_bytes(column: pa.Array) -> npt.NDArray[np.uint8]:
    """uint8 [n, 8]: a number's own bytes, or the start of the sha256 of a word or an image."""
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False).astype("<f8")
        values[np.isnan(values)] = np.nan  # one pattern of bits for all that is missing
        return np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    encoded = pc.dictionary_encode(column.cast(pa.binary()), null_encoding="encode")
    tagged = [b"\0" if cell is None else b"\1" + cell for cell in encoded.dictionary.to_pylist()]
    digests = b"".join(hashlib.sha256(cell).digest()[:8] for cell in tagged)
    index: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False)
    return np.frombuffer(digests, np.uint8).reshape(-1, 8)[index]
