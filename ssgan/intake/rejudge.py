"""`ssgan contract diff`: what changed between two contracts, and which accepted batches would no longer pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.contract import GROUP, ROW_ID, Contract
from ssgan.intake import store
from ssgan.intake.batch import judge_part, wanted_columns
from ssgan.intake.read import PART_ROWS
from ssgan.project import Project


def changes(old: Contract, new: Contract) -> list[str]:
    """Every difference, one line each."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    lines = [
        f"{name}: {_said(before[name])} becomes {_said(after[name])}"
        for name in ("name", "task", "id", "group")
        if before[name] != after[name]
    ]
    lines += _of_section("label", before["label"], after["label"])
    lines += _of_columns(before["columns"], after["columns"])
    for name in ("missing", "duplicates", "conflicts"):
        lines += _of_value(name, before[name], after[name])
    for name in ("files", "rules", "severity"):
        lines += _of_section(name, before[name], after[name])
    return lines


def _of_columns(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in after:
        if name not in before:
            yield f"column `{name}` is new ({after[name]['type']}); files without it are rejected"
    for name, column in before.items():
        if name not in after:
            yield f"column `{name}` is gone; files with it are rejected"
        elif column["type"] != after[name]["type"]:
            yield f"column `{name}`: {column['type']} becomes {after[name]['type']}"
        else:
            yield from _of_section(f"column `{name}`", column, after[name])
    shared = [name for name in after if name in before]
    if shared != [name for name in before if name in after]:
        yield "the columns stand in another order, so a model trained before reads them in another order"


def _of_section(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in {**before, **after}:
        yield from _of_value(f"{where} {name}", before.get(name), after.get(name))


def _of_value(where: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, list) and isinstance(after, list):
        added, gone = [x for x in after if x not in before], [x for x in before if x not in after]
        parts = [f"{_said(added)} is added"] if added else []
        parts += [f"{_said(gone)} is gone"] if gone else []
        yield f"{where}: {', '.join(parts) or 'the order is another'}"
        return
    yield f"{where}: {_said(before)} becomes {_said(after)}{_direction(where, before, after)}"


def _direction(where: str, before: Any, after: Any) -> str:
    """Whether a bound lets more or less through, where that can be told."""
    word = where.split()[-1]
    lower = word == "min" or word.endswith("at_least")
    if not lower and word != "max" and not word.endswith("at_most"):
        return ""
    edge = float("-inf") if lower else float("inf")
    first, second = (edge if value is None else float(value) for value in (before, after))
    return " (wider)" if (second < first) == lower else " (narrower)"


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    return ", ".join(map(repr, value)) if isinstance(value, list) else repr(value)


def no_longer_passing(project: Project, contract: Contract) -> list[str]:
    """The accepted batches that a contract would refuse, or accept only in part, one line each.

    Rows that were refused in their time are not looked at, and neither is drift.
    """
    found = []
    for verdict, file in zip(store.accepted_verdicts(project), store.accepted_files(project), strict=True):
        said = _judged(file.as_posix(), contract)
        if said is not None:
            found.append(f"{verdict.manifest.batch}  {verdict.manifest.source}: {said}")
    return found


def _judged(file: str, contract: Contract) -> str | None:
    rows = bad = start = 0
    first: str | None = None
    with pq.ParquetFile(file) as parquet:
        names = {ROW_ID: contract.id, GROUP: contract.group}
        absent = [name for name in wanted_columns(contract) if name not in (contract.id, contract.group)]
        absent = [name for name in absent if name not in parquet.schema_arrow.names]
        if absent:
            return f"has no column `{absent[0]}`, so it would be rejected"
        for batch in parquet.iter_batches(batch_size=PART_ROWS):
            table = pa.Table.from_batches([batch])
            for own, name in names.items():
                if name is not None and name not in table.column_names:
                    table = table.append_column(name, table.column(own))
            part = judge_part(table, start, contract)
            rows, bad, start = rows + table.num_rows, bad + int((~part.good).sum()), start + table.num_rows
            if first is None and part.faults:
                fault = part.faults[0]
                cell = table.column(fault.column)[int(np.flatnonzero(fault.rows)[0])].as_py()
                first = f"`{fault.column}` = {cell!r}: {fault.rule}"
    if not bad:
        return None
    rejected = bad / rows > contract.rules.refused_share_at_most
    return f"{bad} of {rows} accepted rows would be refused ({first}){', so it would be rejected' if rejected else ''}"
