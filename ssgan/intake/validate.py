"""Judges a batch: which rows are refused, whether the rest is like the data so far, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import GROUP, ROW_ID, Contract
from ssgan.intake.batch import Batch, JudgedRows, judge_rows, label_counts, wanted_columns
from ssgan.intake.cells import Mask, as_text, column_of
from ssgan.intake.read import nearest
from ssgan.intake.reference import Reference
from ssgan.records import ColumnDrift, RefusedRow, RuleResult, Verdict

LISTED = 1000  # refused rows in the verdict; the quarantine file has all
SHOWN = 80  # characters of a refused value
ROW, REASONS = "_row", "_reasons"  # columns of the quarantine file, before the untouched row

Decision = Literal["accept", "accept with quarantine", "reject"]


@dataclass(frozen=True)
class Judged:
    """A verdict and the two tables it divides a batch into; a rejected batch has none."""

    verdict: Verdict
    accepted: pa.Table | None = None
    quarantine: pa.Table | None = None


def validate(batch: Batch, contract: Contract, reference: Reference) -> Judged:
    """Judges a batch against the contract and the accepted data.

    Rows are judged first. Great Expectations then judges the rows that are left, and the batch as a whole.
    """
    from ssgan.intake import expectations

    broken = _columns_message(batch, contract)
    if broken is not None:
        frame = pd.DataFrame(columns=_present_columns(batch, contract))
        rules = expectations.judge(frame, expectations.columns_suite(contract)).rules
        rules = tuple(rule.model_copy(update={"message": broken}) for rule in rules)
        return Judged(_verdict(batch, rules, (), (), 0))

    judged = judge_rows(batch, contract, reference.ids)
    refused = int(judged.refused.sum())
    faults = list_refused(batch, judged, contract)
    rules = _share_rules(batch, contract, refused, faults)
    drift: tuple[ColumnDrift, ...] = ()
    if refused < batch.manifest.rows:
        suite = expectations.row_suite(contract) + expectations.batch_suite(contract, reference, [*judged.aspects])
        found = expectations.judge(frame_of(judged, contract, ~judged.refused), suite)
        drift = found.drift
        rules = (*rules, *found.rules, *_drift_rule(drift, contract))
    verdict = _verdict(batch, rules, faults, drift, refused)
    if verdict.decision == "reject":
        return Judged(verdict)
    accepted = judged.table.filter(pa.array(~judged.refused))
    counts = label_counts(accepted.column(contract.label.column).combine_chunks(), contract)
    quarantine = quarantine_table(batch, judged, faults) if refused else None
    return Judged(verdict.model_copy(update={"labelled": counts}), accepted, quarantine)


def _present_columns(batch: Batch, contract: Contract) -> list[str]:
    """The batch's columns, less those that the contract ignores."""
    ignored = {*contract.columns} - {*contract.features}
    return [name for name in batch.manifest.columns if name not in ignored]


def _columns_message(batch: Batch, contract: Contract) -> str | None:
    wanted, present = wanted_columns(contract), _present_columns(batch, contract)
    absent = [name for name in wanted if name not in present]
    extra = [name for name in present if name not in wanted]
    parts = []
    for name in extra:
        near = nearest(name, absent)
        parts.append(f"column `{name}` is not in the contract" + (f" (did you mean `{near}`?)" if near else ""))
    parts += [f"column `{name}` is missing" for name in absent]
    if len(parts) > 6:
        parts = [*parts[:6], f"and {len(parts) - 6} more"]
    return ", ".join(parts) or None


def frame_of(judged: JudgedRows, contract: Contract, rows: Mask) -> pd.DataFrame:
    """Rows for Great Expectations: under the names of the file, an image as a word, its aspects beside it."""
    columns: dict[str, pa.Array] = {}
    for name in wanted_columns(contract):
        source = {contract.group: GROUP, contract.id: ROW_ID}.get(name, name)
        column = judged.table.column(source)
        columns[name] = pc.if_else(pc.is_valid(column), "image", None) if pa.types.is_binary(column.type) else column
    frame: pd.DataFrame = pa.table({**columns, **judged.aspects}).filter(pa.array(rows)).to_pandas()
    return frame


def list_refused(batch: Batch, judged: JudgedRows, contract: Contract) -> tuple[RefusedRow, ...]:
    """Every reason of every refused row, by row; values as they stand in the file."""
    found: list[RefusedRow] = []
    names = as_text(column_of(batch.table, contract.id)) if contract.id else column_of(judged.table, ROW_ID)
    for fault in judged.faults:
        rows = np.flatnonzero(fault.rows)
        taken = pa.array(rows)
        values = _as_it_stands(column_of(batch.table, fault.column).take(taken)).to_pylist()
        ids = names.take(taken).to_pylist()
        found += [
            RefusedRow(row=row + 1, id=_cut(name), rule=fault.rule, column=fault.column, value=_cut(value))
            for row, name, value in zip(rows.tolist(), ids, values, strict=True)
        ]
    return tuple(sorted(found, key=lambda each: each.row))


def _cut(text: str | None) -> str:
    return (text or "")[:SHOWN]


def _as_it_stands(column: pa.Array) -> pa.Array:
    """A column as text, with the blanks that a text column has."""
    return column if pa.types.is_string(column.type) else as_text(column)


def quarantine_table(batch: Batch, judged: JudgedRows, faults: Sequence[RefusedRow]) -> pa.Table:
    """The refused rows: `_row` (from 1), `_reasons`, and the row as it arrived, as text; images stay bytes."""
    reasons: dict[int, list[str]] = {}
    for fault in faults:
        reasons.setdefault(fault.row, []).append(f"{fault.column} = {fault.value!r}: {fault.rule}")
    rows = np.flatnonzero(judged.refused)
    columns = {
        ROW: pa.array(rows + 1, pa.int64()),
        REASONS: pa.array(["; ".join(reasons[row + 1]) for row in rows.tolist()], pa.string()),
    }
    for name in batch.manifest.columns:
        column = column_of(batch.table, name).take(pa.array(rows))
        columns[name] = column if pa.types.is_binary(column.type) else _as_it_stands(column)
    return pa.table(columns)


def _share_rules(
    batch: Batch, contract: Contract, refused: int, faults: Sequence[RefusedRow]
) -> tuple[RuleResult, ...]:
    rows, limit = batch.manifest.rows, contract.rules.refused_share_at_most
    message = f"{refused} of {rows} rows are refused ({refused / rows:.0%}, at most {limit:.0%})"
    if faults:
        first = faults[0]
        message += f", first row {first.row}: `{first.column}` = {first.value!r} ({first.rule})"
    share = RuleResult(
        rule="refused share", value=refused / rows, limit=limit, passed=refused / rows <= limit, message=message
    )
    left = RuleResult(
        rule="good rows", value=rows - refused, limit=1, passed=refused < rows, message=f"{rows - refused} good rows"
    )
    return (share, left)


def _drift_rule(drift: Sequence[ColumnDrift], contract: Contract) -> tuple[RuleResult, ...]:
    if not drift:
        return ()
    limit = contract.rules.drifted_share_at_most
    drifted = sorted((each for each in drift if each.drifted), key=lambda each: each.limit - each.distance)
    share = len(drifted) / len(drift)
    counted = f"{len(drifted)} of {len(drift)} columns drifted"
    message = f"{counted} from the accepted data ({share:.0%}, at most {limit:.0%})"
    if drifted:
        named = [f"`{each.column}` {each.distance:.2f} (limit {each.limit:.2f})" for each in drifted[:5]]
        message += f": {', '.join(named)}{', ...' if len(drifted) > 5 else ''}"
    return (RuleResult(rule="drifted columns", value=share, limit=limit, passed=share <= limit, message=message),)


def _verdict(
    batch: Batch,
    rules: Iterable[RuleResult],
    faults: Sequence[RefusedRow],
    drift: tuple[ColumnDrift, ...],
    refused: int,
) -> Verdict:
    rules = tuple(rules)
    failed = [rule for rule in rules if not rule.passed and rule.severity == "critical"]
    decision: Decision = "reject" if failed else "accept with quarantine" if refused else "accept"
    manifest = batch.manifest
    accepted = 0 if failed else manifest.rows - refused
    return Verdict(
        manifest=manifest,
        decision=decision,
        sentence=_sentence(batch, failed, refused, faults),
        rows_accepted=accepted,
        rows_refused=refused,
        rules=rules,
        refused=tuple(faults[:LISTED]),
        drift=drift,
        accepted_file=None if failed else f"data/accepted/{manifest.batch}.parquet",
        quarantine_file=f"data/quarantine/{manifest.batch}.parquet" if refused and not failed else None,
    )


def _sentence(batch: Batch, failed: Sequence[RuleResult], refused: int, faults: Sequence[RefusedRow]) -> str:
    manifest = batch.manifest
    if failed:
        reasons = "; ".join(rule.message for rule in failed[:4]) + ("; and more" if len(failed) > 4 else "")
        return f"{manifest.source} is rejected as a whole, and the data set is unchanged: {reasons}"
    labelled = sum(manifest.labelled.values())
    if not refused:
        return f"all {manifest.rows} rows of {manifest.source} are accepted, {labelled} of them labelled"
    rules = ", ".join(dict.fromkeys(fault.rule for fault in faults))
    kept = f"{manifest.rows - refused} of {manifest.rows} rows of {manifest.source} are accepted"
    return f"{kept}, {refused} are in quarantine ({rules})"
