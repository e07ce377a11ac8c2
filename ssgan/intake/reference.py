"""What a new batch is held against: ids, label counts and distributions of the rows accepted so far."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.contract import ROW_ID, CategoryColumn, Contract, ImageColumn
from ssgan.intake.batch import CONTENT_DIGITS, added, label_counts
from ssgan.intake.cells import Floats, image_cells
from ssgan.intake.drift import Summary, summarise_numbers, summarise_words
from ssgan.intake.keys import Keys, row_order, text_keys

SAMPLE = 2000  # rows of each side that a classifier is asked to tell apart


@dataclass(frozen=True)
class Reference:
    """The accepted data, as far as judging a batch needs it; empty before the first batch."""

    files: tuple[Path, ...] = ()
    keys: Keys = field(default_factory=lambda: np.array([], np.uint64))  # of the ids, ascending; see `id_keys`
    rows: int = 0
    labelled: dict[str, int] = field(default_factory=dict)  # rows per class, or {"labelled": n}
    columns: dict[str, Summary] = field(default_factory=dict)  # per feature, or per aspect of an image
    label: Summary | None = None  # of the labels of a regression


def read_reference(files: Sequence[Path], contract: Contract, remembered: Path | None = None) -> Reference:
    """Summarises the accepted files, one column at a time.

    Args:
        files: The accepted data.
        contract: Whose columns.
        remembered: Folder where what was measured of images is kept, so that none is decoded at every intake.
    """
    if not files:
        return Reference()
    summaries: dict[str, Summary] = {}
    for name, rule in contract.features.items():
        chunks = _chunks(files, name)
        if not chunks or sum(len(chunk) for chunk in chunks) == sum(chunk.null_count for chunk in chunks):
            continue
        kind = chunks[0].type
        if isinstance(rule, ImageColumn):
            aspects = [_aspects(file, name, rule, remembered) for file in files]
            for aspect in aspects[0]:
                summaries[aspect] = summarise_numbers(np.concatenate([each[aspect] for each in aspects]))
        elif isinstance(rule, CategoryColumn) and pa.types.is_string(kind):
            summaries[name] = summarise_words(_all_words(chunks))
        elif not isinstance(rule, CategoryColumn) and pa.types.is_floating(kind):
            summaries[name] = summarise_numbers(_all_numbers(chunks))
    ids = _chunks(files, ROW_ID)
    keys = [id_keys(chunk, contract) for chunk in ids]
    labels = _labels(files, contract)
    numbers = not contract.classes and bool(labels)
    return Reference(
        files=tuple(files),
        keys=np.sort(np.concatenate(keys)) if keys else np.array([], np.uint64),
        rows=sum(len(chunk) for chunk in ids),
        labelled=_label_counts(labels, contract),
        columns={name: summary for name, summary in summaries.items() if summary.rows},
        label=summarise_numbers(_all_numbers(labels)) if numbers else None,
    )


def _aspects(file: Path, name: str, rule: ImageColumn, remembered: Path | None) -> dict[str, Floats]:
    """The aspects of a file's images; read where they are remembered, by the file's name, size and time."""
    status = file.stat()
    shape = f"{rule.height}x{rule.width}x{rule.channels}"
    kept = remembered / f"{file.stem}-{status.st_size}-{status.st_mtime_ns}-{shape}.npz" if remembered else None
    if kept is not None and kept.is_file():
        try:
            with kept.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
                return {aspect: np.asarray(content[aspect], np.float64) for aspect in content.files}
        except (OSError, ValueError, zipfile.BadZipFile):  # cut short: measured again
            kept.unlink()
    found: dict[str, list[Floats]] = {}
    for chunk in _chunks([file], name):
        for aspect, values in image_cells(chunk, name, rule).aspects.items():
            found.setdefault(aspect, []).append(values)
    aspects = {aspect: np.concatenate(values) for aspect, values in found.items()}
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_suffix(f".{os.getpid()}")
        with fresh.open("wb") as target:
            np.savez(target, **aspects)  # type: ignore[arg-type]
        fresh.replace(kept)
    return aspects


def id_keys(ids: pa.Array, contract: Contract) -> Keys:
    """Keys of rows: of the id, or of the content, without the number that a copy has behind it."""
    return text_keys(ids if contract.id is not None else pc.utf8_slice_codeunits(ids, 0, CONTENT_DIGITS))


def word_counts(column: pa.Array) -> dict[str, int]:
    """Rows per word; missing does not count."""
    return {each["values"]: each["counts"] for each in pc.value_counts(column.drop_null()).to_pylist()}


def sample_of(files: Sequence[Path], names: Sequence[str]) -> pa.Table | None:
    """At most `SAMPLE` rows of all files, drawn by their place in them; None if a file lacks a column."""
    chosen: list[tuple[Keys, pa.Table]] = []
    start = 0
    for file in files:
        with pq.ParquetFile(file) as parquet:
            if not {*names} <= {*parquet.schema_arrow.names}:
                return None
            for batch in parquet.iter_batches(columns=list(names)):
                order = row_order(np.arange(start, start + batch.num_rows))
                chosen = [drawn(chosen, order, pa.Table.from_batches([batch]))]
                start += batch.num_rows
    return chosen[0][1] if chosen else None


def drawn(before: Sequence[tuple[Keys, pa.Table]], order: Keys, rows: pa.Table) -> tuple[Keys, pa.Table]:
    """The `SAMPLE` rows with the lowest numbers among those drawn before and the new ones, lowest first."""
    keys = np.concatenate([*(each[0] for each in before), order])
    lowest = np.argsort(keys, kind="stable")[:SAMPLE]
    fresh = lowest[lowest >= len(keys) - len(order)] - (len(keys) - len(order))
    kept = lowest[lowest < len(keys) - len(order)]
    tables = [*(each[1].take(pa.array(np.sort(kept))) for each in before), rows.take(pa.array(np.sort(fresh)))]
    together = pa.concat_tables(tables)
    keys = keys[np.concatenate([np.sort(kept), np.sort(fresh) + len(keys) - len(order)]).astype(np.int64)]
    lowest = np.argsort(keys, kind="stable")
    return keys[lowest], together.take(pa.array(lowest))


def _chunks(files: Sequence[Path], name: str) -> list[pa.Array]:
    """A column of all files that have it, in pieces; none where they differ in type, as after a change of contract."""
    parts: list[pa.Array] = []
    for file in files:
        with pq.ParquetFile(file) as parquet:
            if name in parquet.schema_arrow.names:
                parts += parquet.read(columns=[name]).column(name).chunks
    return parts if len({part.type for part in parts}) == 1 else []


def _all_numbers(chunks: Sequence[pa.Array]) -> np.ndarray:
    return np.concatenate([np.asarray(chunk.to_numpy(zero_copy_only=False), np.float64) for chunk in chunks])


def _all_words(chunks: Sequence[pa.Array]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for chunk in chunks:
        counts = added(counts, word_counts(chunk))
    return counts


def _labels(files: Sequence[Path], contract: Contract) -> list[pa.Array]:
    chunks = _chunks(files, contract.label.column)
    return chunks if chunks and pa.types.is_floating(chunks[0].type) != bool(contract.classes) else []


def _label_counts(chunks: Sequence[pa.Array], contract: Contract) -> dict[str, int]:
    counts: dict[str, int] = {}
    for chunk in chunks:
        counts = added(counts, label_counts(chunk, contract))
    return counts
