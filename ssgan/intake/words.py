"""What a verdict says, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from ssgan.contract import Contract
from ssgan.intake.source import is_number, nearest
from ssgan.records import RefusedRow, RuleResult, Verdict


def columns_message(wanted: Sequence[str], present: Sequence[str]) -> str:
    """Which columns are missing or not wanted, and what may have been meant."""
    absent = [name for name in wanted if name not in present]
    parts = []
    for name in present:
        if name not in wanted:
            if not name:
                parts.append("a column without a name is not in the contract (name it, or delete it)")
                continue
            near = nearest(name, absent)
            parts.append(f"column `{name}` is not in the contract" + (f" (did you mean `{near}`?)" if near else ""))
    parts += [f"column `{name}` is missing" for name in absent]
    if len(parts) > 6:
        parts = [*parts[:6], f"and {len(parts) - 6} more"]
    return ", ".join(parts)


def hint_of(row: RefusedRow, contract: Contract) -> str:
    """What would be right in a refused row's place; empty where the rule says it all."""
    label = contract.label
    about = label if row.column == label.column else contract.columns.get(row.column)
    if row.rule == "not a number" and is_number(row.value.replace(",", ".", 1)):
        return f"; files.decimal of the contract is {contract.files.decimal!r}"
    if row.rule in ("unknown label", "unknown value"):
        known: Sequence[str] = getattr(about, "classes", ()) or getattr(about, "values", ())
        near = nearest(row.value, known)
        return f"; did you mean {near!r}?" if near else f"; there are {_listed(known)}"
    if row.rule in ("outside range", "label outside range"):
        low, high = getattr(about, "min", None), getattr(about, "max", None)
        return f"; {'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'} in the contract"
    if row.rule in ("label conflict", "row changed"):
        return "; the row was accepted with another: `conflicts: newest` in the contract lets this one win"
    if contract.image is not None and row.rule == "not a PNG of the declared size":
        colour = "grey" if contract.image.channels == 1 else "colour"
        return f": {contract.image.height}x{contract.image.width}, {colour}"
    return ""


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:8])) + (", ..." if len(words) > 8 else "")


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
