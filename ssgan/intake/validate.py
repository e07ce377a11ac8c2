"""Judges a batch: which rows are refused, whether the rest is like the data so far, and what follows.

A batch is read in parts and judged twice over: by masks over its rows, and by Great Expectations, which sees the rows
that the masks found good and the numbers that were measured over all parts. So a batch may be larger than memory.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import GROUP, REQUEST, ROW_ID, Contract
from ssgan.intake import identity
from ssgan.intake.batch import Batch, Part, added, wanted_columns
from ssgan.intake.cells import Mask, as_text, column_of
from ssgan.intake.facts import Fact, Outcome, counts_of, drift_of, measure
from ssgan.intake.identity import Places, Repeats
from ssgan.intake.joint import joint_drift
from ssgan.intake.keys import among
from ssgan.intake.read import nearest
from ssgan.intake.reference import Reference, sample_of
from ssgan.intake.tally import Tally
from ssgan.intake.words import columns_message, sentence_of
from ssgan.records import BatchManifest, ColumnDrift, RefusedRow, RuleResult, Verdict

LISTED = 1000  # refused rows in the verdict; the quarantine file has all
FRAME_ROWS = 200_000  # that Great Expectations judges at once
SHOWN = 80  # characters of a refused value
ROW, REASONS = "_row", "_reasons"  # columns of the quarantine file, before the untouched row

Decision = Literal["accept", "accept with quarantine", "reject"]


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


def validate(
    batch: Batch,
    contract: Contract,
    reference: Reference,
    own: Path | None = None,
    released_from: str | None = None,
) -> Judged:
    """Judges a batch against the contract and the accepted data.

    Args:
        batch: As it arrived.
        contract: What to judge by.
        reference: The accepted data.
        own: Folder of the user's own expectation suites.
        released_from: The batch whose quarantine these rows come from; quotas for a batch do not bind them.
    """
    from ssgan.intake import expectations

    start = time.perf_counter()
    clock = _Clock()
    with clock:
        columns = expectations.judge_columns(_present_columns(batch, contract), contract)
    if not columns.passed:
        message = columns_message(wanted_columns(contract), _present_columns(batch, contract), nearest)
        wrong = (columns.model_copy(update={"message": message}),)
        return Judged(_verdict(batch, contract, batch.manifest, wrong, (), (), None, Repeats()), batch)

    tally, rows_judged = Tally(contract, reference), []
    suite = expectations.own_suites(own) if own is not None and own.is_dir() else []
    named, frames = expectations.columns_of(suite), []
    for frame in _frames(batch, tally, contract):
        with clock:
            rows_judged.append(expectations.judge_rows(frame, contract))
        if suite:
            frames.append(frame[[name for name in frame if name in named]])

    outcome, faults, repeats = _divide(batch, tally, contract)
    facts = list(measure(tally, outcome))
    joint = joint_drift(tally.sample, sample_of(reference.files, list(contract.features)), contract)
    limit = contract.rules.joint_drift_auc_at_most
    if joint is not None and limit is not None:
        message = f"a classifier tells new rows from accepted ones with an AUC of {joint[0]:.2f} (0.5: not at all)"
        facts.append(Fact("joint drift", joint[0], message, high=min(max(limit, joint[1]), 1.0)))
    with clock:
        drift = expectations.judge_drift(drift_of(tally))
        judged = expectations.judge_facts([*facts, *_drift_fact(drift, contract)], contract)
        rules: tuple[RuleResult, ...] = (*judged, columns, *expectations.together(rows_judged))
        if contract.copies != "keep":
            rules = (*rules, expectations.judge_unique(tally.keys[outcome.new], contract.id or ROW_ID))
        if suite:
            whole = pd.concat(frames, ignore_index=True)[~outcome.refused[tally.good]].reset_index(drop=True)
            rules = (*rules, *expectations.judge_own(whole, suite))
    listed = _list_refused(batch, faults, contract)
    if released_from is not None:
        rules = tuple(rule for rule in rules if rule.rule not in ("refused share", "refused rows"))
        rules = tuple(rule for rule in rules if not (rule.rule.startswith("label") and "in the batch" in rule.message))
    rules = _with_first(rules, listed)
    rules = (*rules, *_severe(faults, tally, contract))
    manifest = batch.manifest_of(tally.rows, counts_of(tally.labels, contract), tally.unreadable_labels)
    verdict = _verdict(batch, contract, manifest, rules, listed, drift, outcome, repeats)
    seconds = {"whole": time.perf_counter() - start, "great expectations": clock.seconds}
    if verdict.decision == "reject":
        return Judged(verdict, batch, tally, outcome, faults, seconds=seconds)
    numbers = identity.copy_numbers(tally.keys, reference.keys) if contract.copies == "keep" else None
    return Judged(verdict, batch, tally, outcome, faults, repeats, numbers, seconds)


def _frames(batch: Batch, tally: Tally, contract: Contract) -> Iterator[pd.DataFrame]:
    """The rows that are good by themselves, a few parts at once: each judgement costs a third of a second anyway."""
    waiting: list[pd.DataFrame] = []
    for part in batch.parts():
        tally.add(part)
        waiting.append(frame_of(part, contract, part.good))
        if sum(map(len, waiting)) >= FRAME_ROWS:
            yield pd.concat(waiting, ignore_index=True)
            waiting = []
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


class _Clock:
    """Adds up the time that passes within it."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


def _present_columns(batch: Batch, contract: Contract) -> list[str]:
    """The batch's columns, less those that the contract ignores, and those of a request for labels."""
    ignored = {*contract.columns, *REQUEST} - {*contract.features}
    return [name for name in batch.source.columns if name not in ignored]


def _divide(
    batch: Batch, tally: Tally, contract: Contract
) -> tuple[Outcome, tuple[tuple[str, str, Places], ...], Repeats]:
    """Which rows are refused, passed over, or merged, now that all of them are known."""
    keys, good, labels = tally.keys, tally.good, tally.labels
    faults = tally.faults
    twice = identity.copies(keys, good, contract.copies)
    if twice.any():
        rule = identity.DUPLICATE_ID if contract.id else identity.DUPLICATE_ROW
        faults.append((rule, contract.id or ROW_ID, np.flatnonzero(twice)))
    refused = ~good | twice
    old, repeats = np.zeros(len(keys), bool), Repeats()
    reference = tally.reference
    known = among(keys, reference.keys) & ~refused if contract.copies != "keep" else old
    if known.any():
        candidates = _candidates(batch, known)
        found = identity.found(candidates, reference.files)
        old[candidates.column(identity.PLACE).to_numpy()[found]] = True
        repeats = identity.resolve(candidates, reference.files, contract)
        for rule, column, rows in repeats.faults:
            faults.append((rule, column, np.sort(rows)))
            refused[rows] = True
            old[rows] = False
    return Outcome(refused, old, labels, repeats.labelled), tuple(faults), repeats


def _candidates(batch: Batch, known: Mask) -> pa.Table:
    """The rows whose key is among the accepted ones, with their places."""
    found = []
    for part in batch.parts():
        rows = np.flatnonzero(known[part.start : part.start + part.table.num_rows])
        places = pa.array(part.start + rows, pa.int64())
        found.append(part.rows.take(pa.array(rows)).append_column(identity.PLACE, places))
    return pa.concat_tables(found).combine_chunks()


def frame_of(part: Part, contract: Contract, rows: Mask) -> pd.DataFrame:
    """Rows for Great Expectations: under the names of the file, an image as a word."""
    columns: dict[str, pa.Array] = {}
    for name in wanted_columns(contract):
        source = {contract.group: GROUP, contract.id: ROW_ID}.get(name, name)
        column = part.rows.column(source)
        columns[name] = pc.if_else(pc.is_valid(column), "image", None) if pa.types.is_binary(column.type) else column
    table = pa.table(columns)
    frame: pd.DataFrame = (table if rows.all() else table.filter(pa.array(rows))).to_pandas()
    return frame


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
        ids = as_text(names.take(taken)).to_pylist()
        found += [
            (row + 1, _cut(name), rule, column, _cut(value))
            for row, name, value in zip(here.tolist(), ids, values, strict=True)
        ]
    order = {name: place for place, name in enumerate(part.table.column_names)}
    found.sort(key=lambda each: (each[0], order.get(each[3], len(order)), each[2]))
    return found


def _list_refused(
    batch: Batch, faults: Sequence[tuple[str, str, Places]], contract: Contract
) -> tuple[RefusedRow, ...]:
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
    """A column as text, with the blanks that a text column has."""
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


def _with_first(rules: tuple[RuleResult, ...], listed: Sequence[RefusedRow]) -> tuple[RuleResult, ...]:
    """The rule about refused rows names the first of them."""
    if not listed:
        return rules
    first = listed[0]
    more = f", first row {first.row}: `{first.column}` = {first.value!r} ({first.rule})"
    return tuple(
        rule.model_copy(update={"message": rule.message + more}) if rule.rule == "refused share" else rule
        for rule in rules
    )


def _severe(faults: Sequence[tuple[str, str, Places]], tally: Tally, contract: Contract) -> Iterator[RuleResult]:
    """Rules of which one broken row is enough, and rules whose breach is only said."""
    for rule, column, rows in faults:
        if contract.severity_of(rule) == "critical":
            message = f"`{column}`: {rule} in {len(rows)} rows, first row {int(rows[0]) + 1}; none is allowed"
            yield RuleResult(rule=rule, column=column, value=len(rows), limit=0, passed=False, message=message)
    for (rule, column), count in tally.noted.items():
        message = f"`{column}`: {rule} in {count} rows, which are kept"
        yield RuleResult(rule=rule, column=column, value=count, severity="info", passed=False, message=message)


def _drift_fact(drift: Sequence[ColumnDrift], contract: Contract) -> Iterator[Fact]:
    if not drift:
        return
    limit = contract.rules.drifted_share_at_most
    drifted = sorted((each for each in drift if each.drifted), key=lambda each: each.limit - each.distance)
    share = len(drifted) / len(drift)
    counted = f"{len(drifted)} of {len(drift)} columns drifted"
    message = f"{counted} from the accepted data ({share:.0%}, at most {limit:.0%})"
    if drifted:
        named = [f"`{each.column}` {each.distance:.2f} (limit {each.limit:.2f})" for each in drifted[:5]]
        message += f": {', '.join(named)}{', ...' if len(drifted) > 5 else ''}"
    yield Fact("drifted columns", share, message, high=limit)


def _verdict(
    batch: Batch,
    contract: Contract,
    manifest: BatchManifest,
    rules: Sequence[RuleResult],
    listed: Sequence[RefusedRow],
    drift: tuple[ColumnDrift, ...],
    outcome: Outcome | None,
    repeats: Repeats,
) -> Verdict:
    failed = any(not rule.passed and rule.severity == "critical" for rule in rules) or outcome is None
    refused = int(outcome.refused.sum()) if outcome is not None else 0
    decision: Decision = "reject" if failed else "accept with quarantine" if refused else "accept"
    verdict = Verdict(
        manifest=manifest,
        decision=decision,
        sentence="",
        rows_accepted=0,
        rows_refused=refused,
        rules=tuple(rules),
        refused=tuple(listed),
        drift=drift,
        contract=hashlib.sha256(contract.model_dump_json().encode()).hexdigest(),
    )
    if not failed and outcome is not None:
        new = counts_of(outcome.labels[outcome.new], contract)
        verdict = verdict.model_copy(
            update={
                "rows_accepted": int(outcome.new.sum()),
                "labelled": added(new, repeats.labelled),
                "rows_repeated": repeats.passed_over,
                "labels_added": repeats.labels_added,
                "labels_changed": repeats.labels_changed,
                "rows_replaced": repeats.rows_replaced,
                "accepted_file": f"data/accepted/{batch.name}.parquet",
                "quarantine_file": f"data/quarantine/{batch.name}.parquet" if refused else None,
            }
        )
    return verdict.model_copy(update={"sentence": sentence_of(verdict)})
