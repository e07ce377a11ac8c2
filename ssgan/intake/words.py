"""What a verdict says, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ssgan.records import RuleResult, Verdict


def columns_message(wanted: Sequence[str], present: Sequence[str], nearest: Callable[..., str | None]) -> str:
    """Which columns are missing or not wanted, and what may have been meant."""
    absent = [name for name in wanted if name not in present]
    parts = []
    for name in present:
        if name not in wanted:
            near = nearest(name, absent)
            parts.append(f"column `{name}` is not in the contract" + (f" (did you mean `{near}`?)" if near else ""))
    parts += [f"column `{name}` is missing" for name in absent]
    if len(parts) > 6:
        parts = [*parts[:6], f"and {len(parts) - 6} more"]
    return ", ".join(parts)


def warnings_of(verdict: Verdict) -> list[RuleResult]:
    """The rules that are broken and do not reject the batch, but ought to be looked at."""
    return [rule for rule in verdict.rules if not rule.passed and rule.severity == "warning"]


def sentence_of(verdict: Verdict) -> str:
    """The verdict in one sentence, with the warnings behind it."""
    manifest = verdict.manifest
    failed = [rule for rule in verdict.rules if not rule.passed and rule.severity == "critical"]
    if verdict.decision == "reject":
        reasons = "; ".join(rule.message for rule in failed[:4]) + ("; and more" if len(failed) > 4 else "")
        return f"{manifest.source} is rejected as a whole, and the data set is unchanged: {reasons}"
    labelled = sum(manifest.labelled.values())
    everything = not verdict.rows_refused and verdict.rows_accepted == manifest.rows
    if everything:
        said = f"all {manifest.rows} rows of {manifest.source} are accepted, {labelled} of them labelled"
    else:
        said = f"{verdict.rows_accepted} of {manifest.rows} rows of {manifest.source} are accepted"
    merged = [
        (verdict.rows_refused, f"are in quarantine ({', '.join(dict.fromkeys(row.rule for row in verdict.refused))})"),
        (verdict.labels_added, "accepted rows got their label"),
        (verdict.labels_changed, "accepted rows got another label"),
        (verdict.rows_replaced, "accepted rows got other values"),
        (verdict.rows_repeated, "were accepted before"),
    ]
    said += "".join(f", {count} {what}" for count, what in merged if count)
    return said + "".join(f"; warning: {rule.message}" for rule in warnings_of(verdict))
