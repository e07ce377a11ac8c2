"""What follows from what was judged: the rules that only a whole batch breaks, and the verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

from ssgan.contract import Contract
from ssgan.intake.batch import Batch, added
from ssgan.intake.facts import Fact, Outcome, counts_of
from ssgan.intake.identity import Places, Repeats
from ssgan.intake.tally import Tally
from ssgan.intake.words import hint_of, sentence_of
from ssgan.records import BatchManifest, ColumnDrift, RefusedRow, RuleResult, Verdict

Decision = Literal["accept", "accept with quarantine", "reject"]


def with_first_row(
    rules: tuple[RuleResult, ...], listed: Sequence[RefusedRow], contract: Contract
) -> tuple[RuleResult, ...]:
    """The rule about refused rows names the first of them, and says what would be right."""
    if not listed:
        return rules
    first = listed[0]
    more = f", first row {first.row}: `{first.column}` = {first.value!r} ({first.rule}{hint_of(first, contract)})"
    return tuple(
        rule.model_copy(update={"message": rule.message + more}) if rule.rule == "refused share" else rule
        for rule in rules
    )


def broken_by_rows(faults: Sequence[tuple[str, str, Places]], tally: Tally, contract: Contract) -> Iterator[RuleResult]:
    """Rules of which one broken row is enough, and rules whose breach is only said."""
    for rule, column, rows in faults:
        if contract.severity_of(rule) == "critical":
            message = f"`{column}`: {rule} in {len(rows)} rows, first row {int(rows[0]) + 1}; none is allowed"
            yield RuleResult(rule=rule, column=column, value=len(rows), limit=0, passed=False, message=message)
    for (rule, column), count in tally.noted.items():
        message = f"`{column}`: {rule} in {count} rows, which are kept"
        yield RuleResult(rule=rule, column=column, value=count, severity="info", passed=False, message=message)


def drifted_columns(drift: Sequence[ColumnDrift], contract: Contract) -> Iterator[Fact]:
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


def conclude(
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
