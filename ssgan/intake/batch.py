"""A batch as it arrived, and the same batch with every row judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import GROUP, ROW_ID, CategoryColumn, ClassLabel, Contract, IgnoredColumn, ImageColumn
from ssgan.intake.cells import (
    Cells,
    Fault,
    Floats,
    Mask,
    class_cells,
    column_of,
    image_cells,
    number_cells,
    text_cells,
    word_cells,
)
from ssgan.intake.read import check_file, read_table, require_label, sha256_of
from ssgan.records import BatchManifest

BATCH_DIGITS = 12  # of the file's sha256, which name the batch
DUPLICATE_ID = "duplicate id"
ACCEPTED_ID = "id already accepted"


@dataclass(frozen=True)
class Batch:
    """A file as it was read; row i of the table (from 0) is data row i + 1 of the file."""

    manifest: BatchManifest
    table: pa.Table  # from CSV: every cell as text, as it stands there


@dataclass(frozen=True)
class JudgedRows:
    """A batch whose columns fit the contract, with every cell read and every row judged."""

    table: pa.Table  # `_id`, `_group`, the features, the label: the accepted format, all rows
    faults: tuple[Fault, ...]
    refused: Mask
    aspects: dict[str, Floats]  # of images: further columns that drift is measured on


def read_batch(path: Path, contract: Contract) -> Batch:
    """Reads one file and counts its labels.

    Raises:
        DataError: if the file is no table with at least one row and a label column.
    """
    check_file(path)
    digest = sha256_of(path)
    table = read_table(path)
    require_label(path, table.column_names, contract.label.column)
    labels = label_cells(table, contract)
    counts = label_counts(labels.values, contract)
    refused = sum(int(fault.rows.sum()) for fault in labels.faults)
    manifest = BatchManifest(
        batch=digest[:BATCH_DIGITS],
        source=path.name,
        sha256=digest,
        rows=table.num_rows,
        columns=tuple(table.column_names),
        labelled=counts,
        unlabelled=table.num_rows - sum(counts.values()) - refused,
        seen_at=datetime.now(UTC).isoformat(),
    )
    return Batch(manifest, table)


def label_cells(table: pa.Table, contract: Contract) -> Cells:
    """The label column, read as what the contract says it is."""
    label = contract.label
    column = column_of(table, label.column)
    if isinstance(label, ClassLabel):
        return class_cells(column, label.column, label.classes, contract.missing)
    return number_cells(column, label.column, label, contract.missing, label=True)


def label_counts(labels: pa.Array, contract: Contract) -> dict[str, int]:
    """Labelled rows per class, or as `{"labelled": n}`."""
    if not contract.classes:
        return {"labelled": int(np.isfinite(labels.to_numpy(zero_copy_only=False)).sum())}
    counted = {each["values"]: each["counts"] for each in pc.value_counts(labels).to_pylist()}
    return {name: counted.get(name, 0) for name in contract.classes}


def wanted_columns(contract: Contract) -> list[str]:
    """The columns that a file must have; an ignored one may be absent."""
    return [name for name in contract.file_columns if not isinstance(contract.columns.get(name), IgnoredColumn)]


def judge_rows(batch: Batch, contract: Contract, accepted_ids: pa.Array) -> JudgedRows:
    """Reads every column and finds the rows that break a rule.

    Args:
        batch: With every column that the contract wants.
        contract: What to judge by.
        accepted_ids: `_id` of the rows accepted so far, as strings.
    """
    table, rows = batch.table, batch.manifest.rows
    features = {name: feature_cells(table, name, contract) for name in contract.features}
    label = label_cells(table, contract)
    named = {
        name: text_cells(column_of(table, name), name, contract.missing)
        for name in dict.fromkeys(each for each in (contract.id, contract.group) if each)
    }
    cells = [*named.values(), *features.values(), label]
    faults = [fault for each in cells for fault in each.faults]
    columns = {name: each.values for name, each in features.items()}
    content = None
    if contract.id is not None:
        row_ids = named[contract.id].values
        faults += _id_faults(row_ids, contract.id, accepted_ids)
    else:
        content = content_hashes(list(columns.values()))
        row_ids = number_copies(content, accepted_ids)
    groups = named[contract.group].values if contract.group else (row_ids if content is None else content)
    refused = np.zeros(rows, bool)
    for fault in faults:
        refused |= fault.rows
    judged = pa.table({ROW_ID: row_ids, GROUP: groups, **columns, contract.label.column: label.values})
    aspects = {name: values for each in features.values() for name, values in each.aspects.items()}
    return JudgedRows(judged, tuple(faults), refused, aspects)


def feature_cells(table: pa.Table, name: str, contract: Contract) -> Cells:
    column, rule = column_of(table, name), contract.features[name]
    if isinstance(rule, CategoryColumn):
        return word_cells(column, name, rule, contract.missing)
    if isinstance(rule, ImageColumn):
        return image_cells(column, name, rule)
    return number_cells(column, name, rule, contract.missing)


def _id_faults(ids: pa.Array, name: str, accepted: pa.Array) -> list[Fault]:
    """Every copy of an id that is there twice, and every id that is in the data already."""
    encoded = pc.dictionary_encode(ids)
    index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    times = np.bincount(index[index >= 0], minlength=max(len(encoded.dictionary), 1))
    twice = (index >= 0) & (times[index] > 1)
    known = pc.is_in(ids, value_set=accepted).to_numpy(zero_copy_only=False)
    faults = (Fault(DUPLICATE_ID, name, twice), Fault(ACCEPTED_ID, name, known & ~twice))
    return [fault for fault in faults if fault.rows.any()]


def content_hashes(columns: Sequence[pa.Array]) -> pa.Array:
    """A name for each row made of its content: 32 digits of a sha256 over 8 bytes per column."""
    blocks = np.concatenate([_eight_bytes(column) for column in columns], axis=1)
    return pa.array([hashlib.sha256(row.tobytes()).hexdigest()[:32] for row in blocks], pa.string())


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


def number_copies(content: pa.Array, accepted_ids: pa.Array) -> pa.Array:
    """Ids for rows named by their content: the second row with the same content gets "-1" behind it, and so on.

    Copies among the accepted rows count too, so that an id is never given twice.
    """
    seen: dict[str, int] = {}
    for known in accepted_ids.to_pylist():
        base = known.partition("-")[0]
        seen[base] = seen.get(base, 0) + 1
    ids: list[str] = []
    for base in content.to_pylist():
        copies = seen.get(base, 0)
        ids.append(f"{base}-{copies}" if copies else base)
        seen[base] = copies + 1
    return pa.array(ids, pa.string())
