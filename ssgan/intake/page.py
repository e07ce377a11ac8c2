"""One page per batch: what was decided and why, in one HTML file that loads nothing from a network."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ssgan.intake.drift import NumberSummary, NumberTally, WordSummary, summarise_words
from ssgan.intake.judged import Judged
from ssgan.intake.store import write_text
from ssgan.intake.tally import Tally
from ssgan.intake.words import warnings_of
from ssgan.project import Project
from ssgan.records import ColumnDrift, RuleResult, Verdict

ROWS = 50  # refused rows on the page
PICTURES = 24  # of columns, those that drifted most
_WIDTH, _HEIGHT = 260, 120
_BASE = _HEIGHT - 18  # of curves and bars; names stand below
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #666; --line: #ddd; --old: #888;
  --new: #0072b2; --good: #00734d; --bad: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --paper: #181818; --soft: #aaa; --line: #444; --old: #999;
  --new: #56b4e9; --good: #4fc796; --bad: #ff8a80; --warn: #f0b44c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2em auto;
  max-width: 62em; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: .2em; } h2 { font-size: 1.15em; margin-top: 2em; }
.accept { color: var(--good); } .quarantine { color: var(--warn); } .reject { color: var(--bad); }
.soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .92em; }
th, td { text-align: left; padding: .3em .7em .3em 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } td.name { white-space: nowrap; } td { overflow-wrap: break-word; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 1em; }
figure { margin: 0; } figcaption { font-size: .85em; } svg { width: 100%; height: auto; }
.old { stroke: var(--old); fill: none; stroke-width: 2; stroke-dasharray: 5 3; } .new { stroke: var(--new); fill: none;
  stroke-width: 2; } .axis { stroke: var(--line); } rect.old { fill: var(--old); stroke: none; }
rect.new { fill: var(--new); stroke: none; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
"""


def page_file(project: Project, verdict: Verdict) -> Path:
    """Where the page about a batch lies."""
    return project.batches / f"{verdict.manifest.batch}.html"


def write_page(path: Path, judged: Judged, verdict: Verdict) -> None:
    """Writes the page in one step."""
    write_text(path, "".join(page(verdict, judged.tally)))


def page(verdict: Verdict, tally: Tally | None) -> Iterator[str]:
    """The page, piece by piece."""
    manifest = verdict.manifest
    kind = "quarantine" if "quarantine" in verdict.decision else verdict.decision
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_text(manifest.source)}: {verdict.decision}</title><style>{_STYLE}</style>"
    yield f'<h1>{_text(manifest.source)}: <span class="{kind}">{verdict.decision}</span></h1>'
    yield f'<p class="soft">batch {manifest.batch}, seen {_text(manifest.seen_at[:16].replace("T", " "))} UTC</p>'
    yield f"<p>{_said(verdict.sentence)}.</p>"
    yield from _counts(verdict)
    yield from _rules("What keeps it out", [r for r in verdict.rules if not r.passed and r.severity == "critical"])
    yield from _rules("What to look at", warnings_of(verdict))
    yield from _rules("Worth knowing", [r for r in verdict.rules if not r.passed and r.severity == "info"])
    yield from _refused(verdict)
    yield from _drift(verdict, tally)
    yield from _rules("What holds", [rule for rule in verdict.rules if rule.passed])
    yield '<p class="soft">All rules come from data/contract.yaml. The refused rows lie in data/quarantine, as they '
    yield "arrived; <code>ssgan quarantine</code> lists them and sends repaired ones through again.</p></html>\n"


def _text(value: object) -> str:
    return html.escape(str(value))


def _said(message: str) -> str:
    """A sentence with its names set apart."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(message))


def _counts(verdict: Verdict) -> Iterator[str]:
    manifest = verdict.manifest
    pairs: list[tuple[str, object]] = [
        ("rows in the file", manifest.rows),
        ("accepted as new", verdict.rows_accepted),
        ("refused", verdict.rows_refused),
        ("accepted before, unchanged", verdict.rows_repeated),
        ("labels added to accepted rows", verdict.labels_added),
        ("labels of accepted rows changed", verdict.labels_changed),
        ("accepted rows replaced", verdict.rows_replaced),
        ("rows without a label", manifest.unlabelled),
        *(
            (f"rows labelled {name}" if name != "labelled" else "labelled rows", n)
            for name, n in manifest.labelled.items()
        ),
    ]
    yield "<h2>Rows</h2><table>"
    for name, count in pairs:
        if count or name in ("rows in the file", "accepted as new", "refused"):
            yield f'<tr><td>{_text(name)}<td class="number">{count:,}'
    yield "</table>"


def _rules(title: str, rules: Sequence[RuleResult]) -> Iterator[str]:
    if not rules:
        return
    yield f'<h2>{title}</h2><div class="scroll"><table><tr><th>rule<th>column<th>what was found<th class="number">value'
    yield '<th class="number">limit'
    for rule in rules:
        yield f"<tr><td>{_text(rule.rule)}<td>{_text(rule.column or '')}<td>{_said(rule.message)}"
        yield f'<td class="number">{_number(rule.value)}<td class="number">{_number(rule.limit)}'
    yield "</table></div>"


def _number(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return _text(value or "")
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def _refused(verdict: Verdict) -> Iterator[str]:
    if not verdict.refused:
        return
    more = f", the first {ROWS} reasons" if len(verdict.refused) > ROWS else ""
    yield f'<h2>Refused rows ({verdict.rows_refused:,}{more})</h2><div class="scroll"><table>'
    yield '<tr><th class="number">row of the file<th>id<th>column<th>value<th>why'
    for each in verdict.refused[:ROWS]:
        yield f'<tr><td class="number">{each.row:,}<td class="name">{_text(each.id)}'
        yield f'<td class="name">{_text(each.column)}'
        yield f"<td>{_text(each.value)}<td>{_text(each.rule)}"
    yield "</table></div>"


def _drift(verdict: Verdict, tally: Tally | None) -> Iterator[str]:
    if not verdict.drift or tally is None:
        return
    ordered = sorted(verdict.drift, key=lambda each: (not each.drifted, -each.distance / each.limit))
    yield "<h2>New rows against the accepted data</h2>"
    yield '<p class="soft">0: the same distribution, 1: nothing in common. Dashed grey: accepted, blue: this batch. '
    yield "Numbers are drawn as the share of rows up to each value, words as the share of each word.</p>"
    yield '<div class="figures">'
    for each in ordered[:PICTURES]:
        yield f"<figure>{''.join(_picture(each, tally))}<figcaption>{_caption(each)}</figcaption></figure>"
    yield from _labels(verdict, tally)
    yield "</div>"
    rest = ordered[PICTURES:]
    if rest:
        yield f'<p class="soft">Not drawn: {", ".join(f"{_text(e.column)} {e.distance:.2f}" for e in rest)}.</p>'


def _labels(verdict: Verdict, tally: Tally) -> Iterator[str]:
    """How the labels are distributed, where that was judged."""
    judged = next((rule for rule in verdict.rules if rule.rule == "label drift"), None)
    if judged is None:
        return
    reference = tally.reference
    if isinstance(reference.label, NumberSummary):
        drawn = _curves(reference.label, tally.label_numbers)
    else:
        drawn = _bars(summarise_words(reference.labelled), dict(verdict.manifest.labelled))
    state = "within the limit" if judged.passed else '<span class="reject">drifted</span>'
    caption = f"<b>{_text(judged.column)}</b> (the label): {_said(judged.message)}; {state}"
    label = f"{judged.column}: labels of the accepted data and of this batch"
    yield f"<figure>{''.join(_framed(label, drawn))}<figcaption>{caption}</figcaption></figure>"


def _caption(drift: ColumnDrift) -> str:
    state = '<span class="reject">drifted</span>' if drift.drifted else "within the limit"
    psi = f", PSI {drift.psi:.2f}" if drift.psi is not None else ""
    return f"<b>{_text(drift.column)}</b>: {drift.distance:.2f} of at most {drift.limit:.2f}{psi}; {state}"


def _picture(drift: ColumnDrift, tally: Tally) -> Iterator[str]:
    summary, name = tally.reference.columns[drift.column], drift.column
    if isinstance(summary, NumberSummary):
        drawn = _curves(summary, tally.numbers.get(name))
    else:
        drawn = _bars(summary, dict(tally.words.get(name, {})))
    yield from _framed(f"{name}: accepted data and this batch", drawn)


def _framed(label: str, drawn: Iterator[str]) -> Iterator[str]:
    yield f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_text(label)}">'
    yield f'<line class="axis" x1="0" y1="{_BASE}" x2="{_WIDTH}" y2="{_BASE}"/>'
    yield from drawn
    yield "</svg>"


def _curves(summary: NumberSummary, counted: NumberTally | None) -> Iterator[str]:
    points = np.asarray(summary.points)
    chosen = np.unique(np.linspace(0, len(points) - 1, 60).round().astype(int))
    low, high = float(points[0]), float(points[-1])
    x = (points[chosen] - low) / ((high - low) or 1.0) * (_WIDTH - 4) + 2
    shares = [("old", np.asarray(summary.cumulative)[chosen])]
    if counted is not None and counted.rows:
        shares.append(("new", counted.upto[chosen] / counted.rows))
    for kind, share in shares:
        y = _BASE - share * (_BASE - 6)
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        yield f'<polyline class="{kind}" points="{path}"/>'
    yield f'<text x="2" y="{_HEIGHT - 4}">{low:.4g}</text>'
    yield f'<text x="{_WIDTH - 2}" y="{_HEIGHT - 4}" text-anchor="end">{high:.4g}</text>'


def _bars(summary: WordSummary, counts: dict[str, int]) -> Iterator[str]:
    rows = sum(counts.values()) or 1
    words = sorted({*summary.shares, *counts}, key=lambda word: -summary.shares.get(word, 0.0))[:8]
    step = _WIDTH / max(len(words), 1)
    for place, word in enumerate(words):
        for kind, share, offset in (
            ("old", summary.shares.get(word, 0.0), 0.1),
            ("new", counts.get(word, 0) / rows, 0.5),
        ):
            height = share * (_BASE - 6)
            left = (place + offset) * step
            size = f'width="{0.38 * step:.1f}" height="{height:.1f}"'
            yield f'<rect class="{kind}" x="{left:.1f}" y="{_BASE - height:.1f}" {size}/>'
        shown = word if len(word) <= step / 7 else f"{word[: max(int(step / 7) - 1, 1)]}…"
        yield f'<text x="{(place + 0.5) * step:.1f}" y="{_HEIGHT - 4}" text-anchor="middle">{_text(shown)}</text>'
