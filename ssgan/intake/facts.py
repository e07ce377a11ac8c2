"""What a contract limits about a batch as a whole, measured: each fact is one number with its bounds and a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ssgan.contract import Contract, ValueLabel
from ssgan.intake.cells import Mask
from ssgan.intake.drift import (
    BINS,
    Summary,
    WordSummary,
    ks_chance,
    ks_distance,
    psi_chance,
    psi_of_numbers,
    psi_of_words,
    share_chance,
    summarise_words,
    total_variation,
    total_variation_chance,
)
from ssgan.intake.keys import among
from ssgan.intake.reference import Reference
from ssgan.intake.tally import Tally, labelled
from ssgan.records import ColumnDrift


@dataclass(frozen=True)
class Fact:
    """One measured number; it holds if `low <= value <= high`."""

    rule: str
    value: float
    message: str
    low: float | None = None
    high: float | None = None
    column: str | None = None
    of_batch: bool = False  # it speaks of the batch alone, so it does not bind rows that come out of quarantine


@dataclass(frozen=True)
class Outcome:
    """Which rows of a batch go where [rows each]."""

    refused: Mask  # to quarantine
    old: Mask  # accepted before: passed over, or merged
    labels: np.ndarray  # codes of all rows
    delta: Mapping[str, int]  # by how much the labelled rows of accepted data change through merging

    @property
    def new(self) -> Mask:
        """The rows that are accepted."""
        return ~self.refused & ~self.old


def counts_of(labels: np.ndarray, contract: Contract) -> dict[str, int]:
    """Labelled rows per class, or `{"labelled": n}`."""
    if not contract.classes:
        return {"labelled": int(labelled(labels).sum())}
    counts = np.bincount(labels[labels >= 0], minlength=len(contract.classes)).tolist()
    return dict(zip(contract.classes, counts, strict=True))


def measure(tally: Tally, outcome: Outcome) -> tuple[Fact, ...]:
    """Every number that the contract limits, but for the drift of columns.

    Args:
        tally: Of the whole batch.
        outcome: Which rows go where.
    """
    contract, reference = tally.contract, tally.reference
    return (
        *_refused_facts(outcome, contract),
        *_label_facts(outcome, contract, reference),
        *_share_facts(outcome, contract, reference),
        *_drift_of_labels(tally, outcome),
        *_new_class(tally),
        *_near_duplicates(tally, outcome),
    )


def _refused_facts(outcome: Outcome, contract: Contract) -> Iterator[Fact]:
    rows, refused, rules = len(outcome.refused), int(outcome.refused.sum()), contract.rules
    share, limit = refused / rows, rules.refused_share_at_most
    message = f"{refused} of {rows} rows are refused ({share:.0%}, at most {limit:.0%})"
    yield Fact("refused share", share, message, high=limit, of_batch=True)
    if rules.refused_rows_at_most is not None:
        message = f"{refused} rows are refused, at most {rules.refused_rows_at_most}"
        yield Fact("refused rows", refused, message, high=rules.refused_rows_at_most, of_batch=True)
    yield Fact("good rows", rows - refused, f"{rows - refused} good rows", low=1)


def _label_facts(outcome: Outcome, contract: Contract, reference: Reference) -> Iterator[Fact]:
    rules = contract.rules
    if outcome.refused.all():  # which is reason enough
        return
    new = counts_of(outcome.labels[outcome.new], contract)
    total = {name: new.get(name, 0) + outcome.delta.get(name, 0) + reference.labelled.get(name, 0) for name in new}
    batch = counts_of(outcome.labels[~outcome.refused], contract)
    together, alone = "with the accepted data", "in the batch"
    for counts, where, least in (
        (total, together, rules.labelled_at_least),
        (batch, alone, rules.batch_labelled_at_least),
    ):
        if least or where == together:
            found = sum(counts.values())
            message = f"{found} labelled rows {where}, of at least {least}"
            yield Fact("labelled rows", found, message, least, column=contract.label.column, of_batch=where == alone)
    for counts, where, least in (
        (total, together, rules.labelled_per_class_at_least),
        (batch, alone, rules.batch_labelled_per_class_at_least),
    ):
        for name in contract.classes if least or where == together else ():
            message = f"class `{name}`: {counts[name]} labelled rows {where}, of at least {least}"
            column, of_batch = contract.label.column, where == alone
            yield Fact("labels per class", counts[name], message, least, column=column, of_batch=of_batch)
    yield from _band_facts(outcome, contract, reference)


def _band_facts(outcome: Outcome, contract: Contract, reference: Reference) -> Iterator[Fact]:
    label, rules = contract.label, contract.rules
    if not isinstance(label, ValueLabel) or not label.bands:
        return
    edges = [-math.inf, *label.bands, math.inf]
    values = outcome.labels[labelled(outcome.labels) & ~outcome.refused]
    batch = np.histogram(values, edges)[0]
    new = np.histogram(outcome.labels[labelled(outcome.labels) & outcome.new], edges)[0]
    before = np.zeros(len(edges) - 1)
    if reference.label is not None:
        upto = np.interp(label.bands, reference.label.points, reference.label.cumulative, left=0, right=1)  # type: ignore[union-attr]
        before = np.diff(upto * reference.label.rows, prepend=0, append=reference.label.rows).round()
    together, alone = "with the accepted data", "in the batch"
    for counts, where, least in (
        (new + before, together, rules.labelled_per_band_at_least),
        (batch, alone, rules.batch_labelled_per_band_at_least),
    ):
        for place in range(len(counts)) if least else ():
            band = f"{edges[place]:g}..{edges[place + 1]:g}"
            message = f"values in {band}: {int(counts[place])} labelled rows {where}, of at least {least}"
            found = int(counts[place])
            yield Fact("labels per band", found, message, least, column=label.column, of_batch=where == alone)


def _share_facts(outcome: Outcome, contract: Contract, reference: Reference) -> Iterator[Fact]:
    rules, kept = contract.rules, ~outcome.refused
    rows = int(kept.sum())
    if not rows:
        return
    share = int(labelled(outcome.labels[kept]).sum()) / rows
    if rules.labelled_share_at_least > 0 or rules.labelled_share_at_most < 1:
        low, high = rules.labelled_share_at_least, rules.labelled_share_at_most
        message = f"{share:.1%} of the good rows have a label, of {low:.1%} to {high:.1%}"
        yield Fact("labelled share", share, message, low, high, column=contract.label.column, of_batch=True)
    limit = rules.labelled_share_drift_at_most
    if limit is not None and reference.rows:
        before = sum(reference.labelled.values()) / reference.rows
        high = max(limit, share_chance((share + before) / 2, rows, reference.rows))
        message = (
            f"{share:.1%} of the good rows have a label, {before:.1%} of the accepted ones (at most {high:.1%} apart)"
        )
        yield Fact("labelled share drift", abs(share - before), message, high=high, column=contract.label.column)


def _drift_of_labels(tally: Tally, outcome: Outcome) -> Iterator[Fact]:
    contract, reference = tally.contract, tally.reference
    limit = contract.rules.label_drift_at_most
    if limit is None:
        return
    if contract.classes:
        counts = {name: n for name, n in counts_of(outcome.labels[outcome.new], contract).items() if n}
        if not counts or not sum(reference.labelled.values()):
            return
        summary = summarise_words(reference.labelled)
        distance = total_variation(summary, counts)
        high = max(limit, total_variation_chance(summary, counts))
    else:
        if reference.label is None or not reference.label.rows or tally.label_numbers is None:
            return
        if not tally.label_numbers.rows:
            return
        distance = ks_distance(reference.label, tally.label_numbers)  # type: ignore[arg-type]
        high = max(limit, ks_chance(tally.label_numbers.rows, reference.label.rows))
    message = f"the labels lie {distance:.2f} from those of the accepted data (limit {min(high, 1):.2f})"
    yield Fact("label drift", distance, message, high=min(high, 1.0), column=contract.label.column)


def _new_class(tally: Tally) -> Iterator[Fact]:
    if not tally.contract.classes:
        return
    limit = tally.contract.rules.unknown_label_rows_at_most
    word, rows = max(sorted(tally.unknown_labels.items()), key=lambda item: item[1], default=("", 0))
    message = f"rows labelled {word!r}, which is no class: {rows}; add it to `label.classes` if it is a new one"
    if not rows:
        message = "no row has an unknown label"
    yield Fact("new class", rows, message, high=limit, column=tally.contract.label.column)


def _near_duplicates(tally: Tally, outcome: Outcome) -> Iterator[Fact]:
    limit = tally.contract.rules.near_duplicate_share_at_most
    if limit is None:
        return
    has = labelled(outcome.labels) & ~outcome.refused
    if not has.any():
        return
    keys = tally.near
    twins = int(among(keys[has], np.sort(keys[~has & ~outcome.refused])).sum())
    share = twins / int(has.sum())
    message = f"{twins} labelled rows ({share:.1%}) equal an unlabelled one to three digits (at most {limit:.1%})"
    yield Fact("near duplicates", share, message, high=limit)


def drift_of(tally: Tally) -> tuple[ColumnDrift, ...]:
    """How far each column of the new rows lies from the accepted data; `drifted` is judged elsewhere."""
    found = []
    for name, summary in tally.reference.columns.items():
        found.append(_column_drift(name, summary, tally))
    return tuple(found)


def _column_drift(name: str, summary: Summary, tally: Tally) -> ColumnDrift:
    rules = tally.contract.rules
    column = tally.contract.columns.get(name) or tally.contract.columns.get(name.rpartition(".")[0])
    own = getattr(column, "drift_at_most", None)
    limit, psi_limit = own or rules.drift_distance_at_most, rules.drift_psi_at_most
    if isinstance(summary, WordSummary):
        counts = dict(tally.words.get(name, {}))
        rows, bins, statistic = sum(counts.values()), len({*counts, *summary.shares}), "total_variation"
        distance = total_variation(summary, counts) if rows else 0.0
        psi = psi_of_words(summary, counts) if rows else 0.0
        chance = total_variation_chance(summary, counts) if rows else 0.0
    else:
        numbers = tally.numbers.get(name)
        rows, bins, statistic = numbers.rows if numbers else 0, BINS, "ks"
        distance = ks_distance(summary, numbers) if numbers and rows else 0.0
        psi = psi_of_numbers(summary, numbers) if numbers and rows else 0.0
        chance = ks_chance(rows, summary.rows) if rows else 0.0
    if psi_limit is not None and rows:
        psi_limit = round(max(psi_limit, psi_chance(bins, rows, summary.rows)), 6)
    return ColumnDrift(
        column=name,
        statistic=statistic,
        distance=round(distance, 6),
        limit=round(min(max(limit, chance), 1.0), 6),
        drifted=False,
        psi=round(psi, 6),
        psi_limit=psi_limit,
    )
