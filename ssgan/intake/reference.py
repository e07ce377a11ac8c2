"""What a new batch is held against: ids, label counts and distributions of the rows accepted so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.contract import ROW_ID, CategoryColumn, Contract, ImageColumn
from ssgan.intake.batch import label_counts
from ssgan.intake.cells import image_cells
from ssgan.intake.drift import Summary, summarise_numbers, summarise_words


@dataclass(frozen=True)
class Reference:
    """The accepted data, as far as judging a batch needs it; empty before the first batch."""

    ids: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    labelled: dict[str, int] = field(default_factory=dict)  # rows per class, or {"labelled": n}
    columns: dict[str, Summary] = field(default_factory=dict)  # per feature, or per aspect of an image


def read_reference(files: Sequence[Path], contract: Contract) -> Reference:
    """Summarises the accepted files, one column at a time."""
    if not files:
        return Reference()
    summaries: dict[str, Summary] = {}
    for name, rule in contract.features.items():
        column = _column(files, name)
        if column is None or len(column) == column.null_count:
            continue
        if isinstance(rule, ImageColumn):
            aspects = image_cells(column, name, rule).aspects
            summaries.update({aspect: summarise_numbers(values) for aspect, values in aspects.items()})
        elif isinstance(rule, CategoryColumn) and pa.types.is_string(column.type):
            summaries[name] = summarise_words(word_counts(column))
        elif not isinstance(rule, CategoryColumn) and pa.types.is_floating(column.type):
            summaries[name] = summarise_numbers(column.to_numpy(zero_copy_only=False))
    ids = _column(files, ROW_ID)
    return Reference(
        ids=pa.array([], pa.string()) if ids is None else ids,
        labelled=_labelled(files, contract),
        columns={name: summary for name, summary in summaries.items() if summary.rows},
    )


def word_counts(column: pa.Array) -> dict[str, int]:
    """Rows per word; missing does not count."""
    return {each["values"]: each["counts"] for each in pc.value_counts(column.drop_null()).to_pylist()}


def _column(files: Sequence[Path], name: str) -> pa.Array | None:
    """A column of all files that have it, or None: a file from before a change of the contract may lack it."""
    parts = []
    for file in files:
        with pq.ParquetFile(file) as parquet:
            if name in parquet.schema_arrow.names:
                parts += parquet.read(columns=[name]).column(name).chunks
    kinds = {part.type for part in parts}
    return pa.concat_arrays(parts) if len(kinds) == 1 else None


def _labelled(files: Sequence[Path], contract: Contract) -> dict[str, int]:
    column = _column(files, contract.label.column)
    if column is None or pa.types.is_floating(column.type) == bool(contract.classes):
        return {}
    return label_counts(column if contract.classes else pa.array(np.asarray(column, np.float64)), contract)
