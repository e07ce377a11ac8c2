"""Judges a batch: which rows are refused, whether the rest is like the data so far, and what follows.

A batch is read in parts and judged twice over: by masks over its rows, and by Great Expectations, which sees the rows
that the masks found good and the numbers that were measured over all parts. So a batch may be larger than memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import GROUP, REQUEST, ROW_ID, Contract
from ssgan.intake import identity
from ssgan.intake.batch import Batch, Part, wanted_columns
from ssgan.intake.cells import Mask
from ssgan.intake.facts import Fact, Outcome, counts_of, drift_of, measure
from ssgan.intake.identity import Places, Repeats
from ssgan.intake.joint import joint_drift
from ssgan.intake.judged import Judged, list_refused
from ssgan.intake.keys import among
from ssgan.intake.reference import Reference, sample_of
from ssgan.intake.tally import Tally
from ssgan.intake.verdicts import broken_by_rows, conclude, drifted_columns, with_first_row
from ssgan.intake.words import columns_message
from ssgan.records import RuleResult

FRAME_ROWS = 200_000  # that Great Expectations judges at once


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

    Raises:
        DataError: if the file turns out to be unreadable further on.
        ContractError: if one of the user's own suites is none, or cannot be judged.
    """
    from ssgan.intake import expectations

    start, clock = time.perf_counter(), _Clock()
    with clock:
        columns = expectations.judge_columns(_present_columns(batch, contract), contract)
    if not columns.passed:
        message = columns_message(wanted_columns(contract), _present_columns(batch, contract))
        wrong = (columns.model_copy(update={"message": message}),)
        return Judged(conclude(batch, contract, batch.manifest, wrong, (), (), None, Repeats()), batch)

    tally, suite = Tally(contract, reference), _OwnSuite.read(own)
    of_rows = _judge_rows(batch, tally, suite, clock)
    outcome, faults, repeats = _divide(batch, tally, contract)
    facts = [fact for fact in measure(tally, outcome) if released_from is None or not fact.of_batch]
    facts += _joint_facts(tally, contract)
    with clock:
        drift = expectations.judge_drift(drift_of(tally))
        judged = expectations.judge_facts([*facts, *drifted_columns(drift, contract)], contract)
        rules: tuple[RuleResult, ...] = (*judged, columns, *of_rows)
        if contract.copies != "keep":
            rules = (*rules, expectations.judge_unique(tally.keys[outcome.new], contract.id or ROW_ID))
        rules = (*rules, *suite.judge(~outcome.refused[tally.good]))
    listed = list_refused(batch, faults, contract)
    rules = (*with_first_row(rules, listed, contract), *broken_by_rows(faults, tally, contract))
    manifest = batch.manifest_of(tally.rows, counts_of(tally.labels, contract), tally.unreadable_labels)
    verdict = conclude(batch, contract, manifest, rules, listed, drift, outcome, repeats)
    seconds = {"whole": time.perf_counter() - start, "great expectations": clock.seconds}
    if verdict.decision == "reject":
        return Judged(verdict, batch, tally, outcome, faults, seconds=seconds)
    numbers = identity.copy_numbers(tally.keys, reference.keys) if contract.copies == "keep" else None
    return Judged(verdict, batch, tally, outcome, faults, repeats, numbers, seconds)


@dataclass
class _OwnSuite:
    """The user's own expectations, and the columns that they speak of, gathered part by part."""

    expectations: Sequence[Any] = ()
    columns: frozenset[str] = frozenset()
    frames: list[pd.DataFrame] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path | None) -> _OwnSuite:
        """Those of a folder; none where there is no folder."""
        from ssgan.intake.expectations import columns_of, own_suites

        found = own_suites(folder) if folder is not None and folder.is_dir() else []
        return cls(found, frozenset(columns_of(found)))

    def gather(self, frame: pd.DataFrame) -> None:
        """Keeps what will be judged of some good rows."""
        if self.expectations:
            self.frames.append(frame[[name for name in frame if name in self.columns]])

    def judge(self, chosen: Mask) -> tuple[RuleResult, ...]:
        """Judges the chosen ones among all rows gathered."""
        from ssgan.intake.expectations import judge_own

        if not self.expectations:
            return ()
        whole = pd.concat(self.frames, ignore_index=True)[chosen].reset_index(drop=True)
        return judge_own(whole, self.expectations)


def _judge_rows(batch: Batch, tally: Tally, suite: _OwnSuite, clock: _Clock) -> tuple[RuleResult, ...]:
    """Reads the batch: counts every part, and has Great Expectations judge the rows that are good by themselves."""
    from ssgan.intake import expectations

    results = []
    for frame in _frames(batch, tally):
        with clock:
            results.append(expectations.judge_rows(frame, tally.contract))
        suite.gather(frame)
    return expectations.together(results)


def _frames(batch: Batch, tally: Tally) -> Iterator[pd.DataFrame]:
    """The rows that are good by themselves, a few parts at once, because each judgement has a price of its own."""
    waiting: list[pa.Table] = []
    for part in batch.parts():
        tally.add(part)
        waiting.append(_under_names_of_file(part, tally.contract, part.good))
        if sum(table.num_rows for table in waiting) >= FRAME_ROWS:
            yield _frame(waiting)
    if waiting:
        yield _frame(waiting)


def _frame(waiting: list[pa.Table]) -> pd.DataFrame:
    """One frame of all that wait, which then wait no longer, so that they take no memory beside it."""
    table = pa.concat_tables(waiting)
    waiting.clear()
    frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
    return frame


class _Clock:
    """Adds up the time that passes within it."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


def _joint_facts(tally: Tally, contract: Contract) -> Iterator[Fact]:
    limit = contract.rules.joint_drift_auc_at_most
    if limit is None:
        return
    found = joint_drift(tally.sample, sample_of(tally.reference.files, list(contract.features)), contract)
    if found is None:
        return
    auc, chance = found
    message = f"a classifier tells new rows from accepted ones with an AUC of {auc:.2f} (0.5: not at all)"
    yield Fact("joint drift", auc, message, high=min(max(limit, chance), 1.0))


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
    frame: pd.DataFrame = _under_names_of_file(part, contract, rows).to_pandas()
    return frame


def _under_names_of_file(part: Part, contract: Contract, rows: Mask) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name in wanted_columns(contract):
        source = {contract.group: GROUP, contract.id: ROW_ID}.get(name, name)
        column = part.rows.column(source)
        columns[name] = pc.if_else(pc.is_valid(column), "image", None) if pa.types.is_binary(column.type) else column
    table = pa.table(columns)
    return table if rows.all() else table.filter(pa.array(rows))
