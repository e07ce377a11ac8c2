"""Sections of the report about the judged rows: may one believe it, what is mixed up, where is it weak."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssgan.contract import Contract
from ssgan.judge import plots, plots_rows, words
from ssgan.judge.checks import SHIFT, error_by_chance
from ssgan.judge.document import Block, Cell, Figure, Section, Table, Text
from ssgan.judge.importance import measured
from ssgan.judge.metrics import Array
from ssgan.judge.report_scores import flawless, score_cell, score_columns, values
from ssgan.records import Calibration, CalibrationCheck, Evaluation, Score

COLUMNS_SHOWN = 25
STRANGE = {
    "quarantined": "refused by the contract's rules",
    "generated": "the fakes of the training",
    "shifted": f"test rows, each number moved by {SHIFT:g} deviations, up or down",
}
SHARES = {"labelled": "labelled rows", "em": "unlabelled, by EM", "bbse": "unlabelled, by BBSE"}


def calibration(evaluation: Evaluation, used: Calibration, unit: str) -> Section:
    """How sure against how often right, whether sets and intervals hold what they promise, and the classes' shares.

    Args:
        evaluation: what was measured.
        used: the calibration of the model that is served.
        unit: of values, or "".
    """
    title, check = "May one believe its certainty?", evaluation.calibration
    if check is None:
        return Section(title, (Text("Not measured: the model has no calibration."),))
    coverage = _coverage(check, "sets" if evaluation.per_class else "intervals", evaluation.method == "crossfit", unit)
    parts = (*_reliability(check), *_before_after(check), *coverage, *_in_every_set(evaluation, used))
    return Section(title, (*parts, *_shares(used), *_prior(evaluation, used)))


def _reliability(check: CalibrationCheck) -> tuple[Block, ...]:
    if not check.bins:
        return ()
    parts = ", ".join(f"{each.right:.2f} right where {each.sure:.2f} sure" for each in check.bins)
    figure = Figure(
        "calibration",
        plots_rows.reliability(check.bins),
        f"Reliability after calibration: {parts}",
        "Rows in bins of how sure the model is of its answer. On the line it is right as often as it says; below the "
        "line it is too sure of itself.",
        ("sure", "right", "rows"),
        tuple((each.sure, each.right, each.rows) for each in check.bins),
    )
    return (figure,)


def _before_after(check: CalibrationCheck) -> tuple[Block, ...]:
    if not check.before:
        return ()
    rows = tuple(
        (words.metric_title(name), words.number(value), words.number(check.after[name]))
        for name, value in check.before.items()
        if name in check.after
    )
    table = Table(("↓ lower is better", "as trained", "calibrated"), rows)
    if not check.bins:
        return (table,)
    judged, chance = sum(each.rows for each in check.bins), words.number(error_by_chance(check.bins))
    said = (
        f"Probabilities that are exactly right have a calibration error by chance: of about {chance} on {judged} rows."
    )
    return (table, Text(said))


def _coverage(check: CalibrationCheck, kind: str, crossfit: bool, unit: str) -> tuple[Block, ...]:
    by = " by P(fake), for their values are within the training rows' own ranges" if crossfit else ""
    unlike = Text(f"{100 * check.unlike:.1f} % of the judged rows are flagged as unlike the training data{by}.")
    if check.covered is None:
        return (Text(f"There are too few labelled rows for {kind} of known coverage."), unlike)
    wide = f"{{}} {unit}".rstrip()
    size = "On average a set holds {} classes." if kind == "sets" else f"On average an interval is {wide} wide."
    promise = Text(
        f"Asked: {100 * check.asked:g} % of the {kind} should hold the truth. "
        f"Found: {100 * check.covered.value:.1f} % ({100 * check.covered.low:.1f} to {100 * check.covered.high:.1f} %)."
        + (f" {size.format(words.number(check.size.value))}" if check.size else "")
    )
    rows = tuple((name, score_cell(score)) for name, score in check.covered_per_class.items())
    per_class = (Table(("class", "share of sets that hold it"), rows),) if rows else ()
    return (promise, *per_class, *flawless([check.covered, *check.covered_per_class.values()]), unlike)


def _in_every_set(evaluation: Evaluation, used: Calibration) -> tuple[Block, ...]:
    always = [name for name, limit in zip(evaluation.per_class, used.thresholds, strict=False) if limit >= 1]
    if not always:
        return ()
    return (
        Text(f"In every set that is served, for too few labelled rows to be left out of any: {', '.join(always)}."),
    )


def _shares(used: Calibration) -> tuple[Block, ...]:
    """Of the classes: labels are often balanced where reality is not."""
    found = {name: used.shares[name] for name in SHARES if name in used.shares}
    if len(found) < 2:
        return ()
    rows = tuple((each, *(f"{100 * found[name].get(each, 0.0):.1f} %" for name in found)) for each in found["labelled"])
    told = Text("Shares of the classes, counted among the labelled rows and estimated among the unlabelled ones:")
    return (told, Table(("class", *(SHARES[name] for name in found)), rows))


def _prior(evaluation: Evaluation, used: Calibration) -> tuple[Block, ...]:
    if not evaluation.prior_effect:
        return ()
    told = Text("What the same model scores under each assumption about the shares of classes, on the judged rows:")
    found = (told, _by_prior(evaluation.prior_effect, used.prior))
    if not any(evaluation.prior_effect_unlabelled.values()):
        return found
    told = Text("The same where classes come as often as is estimated by EM among the unlabelled rows:")
    return (*found, told, _by_prior(evaluation.prior_effect_unlabelled, used.prior))


def _by_prior(effect: Mapping[str, Mapping[str, float]], in_use: str) -> Table:
    named = tuple(dict.fromkeys(name for each in effect.values() for name in each))
    rows = tuple(
        (
            f"{prior} (in use)" if prior == in_use else prior,
            *(words.number(each[n]) if n in each else "" for n in named),
        )
        for prior, each in effect.items()
    )
    return Table(("calibrate.prior", *(words.metric_title(name) for name in named)), rows)


def answers(
    evaluation: Evaluation, contract: Contract, truth: Array, answered: Array, half_width: float | None
) -> Section:
    """The confusion of classes, or true against answered values."""
    rows = len(truth)
    if contract.classes:
        return Section("What is mixed up", (_confusion(contract, truth, answered), *_per_class(evaluation)))
    unit = words.unit(contract)
    label = contract.label.column + (f" ({unit})" if unit else "")
    shown = plots_rows.spread(rows)
    band = " The band is how far the interval that is served reaches at most." if half_width is not None else ""
    figure = Figure(
        "residuals",
        plots_rows.residuals(truth, answered, label, half_width),
        f"Answered against true {label} for {rows} rows, and the differences below",
        f"A point per judged row; on the line the SSGAN is exactly right.{band}",
        ("true", "answered", "difference"),
        tuple(
            (t, a, a - t)
            for t, a in zip(truth[shown].tolist(), np.asarray(answered, float)[shown].tolist(), strict=True)
        ),
    )
    return Section("Answered and true", (figure,))


def _confusion(contract: Contract, truth: Array, answered: Array) -> Figure:
    guess = answered.argmax(axis=1)
    wrong, rows = int((guess != truth).sum()), len(truth)
    names = contract.classes
    return Figure(
        "confusion",
        plots_rows.confusion(truth, guess, names),
        f"Confusion matrix of the SSGAN: {rows - wrong} of {rows} judged rows on the diagonal",
        "Judged rows by true and guessed class; the shade is the share of the true class.",
        ("true", "guessed"),
        tuple((names[t], names[g]) for t, g in zip(truth.tolist(), guess.tolist(), strict=True)),
    )


def _per_class(evaluation: Evaluation) -> tuple[Block, ...]:
    found = evaluation.per_class
    if not found:
        return ()
    named = score_columns(list(found.values()))
    rows = tuple((name, *(score_cell(each.get(metric)) for metric in named)) for name, each in found.items())
    table = Table(("class", *(words.metric_title(metric) for metric in named)), rows)
    return (table, *flawless(score for each in found.values() for score in each.values()))


def fakes(evaluation: Evaluation, fake: Mapping[str, Array]) -> Section:
    """How strange each part of the data looks to the discriminator."""
    parts = {part: found for part, found in fake.items() if len(found)}
    means = ", ".join(f"{part} {found.mean():.3f}" for part, found in parts.items())
    edges = plots_rows.FAKE_EDGES.tolist()
    figure = Figure(
        "fake",
        plots_rows.fake_histogram(parts),
        f"Histograms of P(fake), mean: {means}",
        "What the discriminator thinks of the rows. Near 0: like the training data. Test rows, which no training saw, "
        "far to the right of the training rows would be strangers to the model. Dashed: the mean.",
        ("part", "from", "to", "share"),
        tuple(
            (part, low, high, share)
            for part, found in parts.items()
            for low, high, share in zip(edges[:-1], edges[1:], plots_rows.fake_shares(found).tolist(), strict=True)
        ),
    )
    return Section("Probability of being fake", (figure, *_detection(evaluation.detection)))


def _detection(detection: Mapping[str, Score]) -> tuple[Block, ...]:
    if not detection:
        return ()
    rows = tuple((Cell(part, STRANGE[part]), score_cell(score)) for part, score in detection.items())
    note = "How well P(fake) tells such rows from test rows, which no training saw: 1 always, 0.5 not at all."
    return (Text(note), Table(("rows", "AUROC"), rows))


def importance(evaluation: Evaluation) -> Section:
    """What the model loses without each column."""
    title, found = "Which columns matter", evaluation.importance
    if not found:
        reason = "Not measured: images have no columns; a table has one only, or too many to shuffle each."
        return Section(title, (Text(reason),))
    shown = found[:COLUMNS_SHOWN]
    metric = words.metric_title(measured(evaluation.metric, evaluation.task == "classification"))
    rows = [(each.column, plots.colour("ssgan"), *values(each.loss), words.signed(each.loss.value)) for each in shown]
    more = f" The first {COLUMNS_SHOWN} of {len(found)}." if len(found) > COLUMNS_SHOWN else ""
    figure = Figure(
        "importance",
        plots.intervals("importance", rows, f"rise of {metric} when shuffled", zero=True),
        f"Rise of {metric} when a column is shuffled: " + ", ".join(f"{row[0]} {row[-1]}" for row in rows[:8]),
        "A column is shuffled among the judged rows and the model asked again; the bar goes from the least to the "
        f"greatest rise of the shuffles.{more} Columns that say the same thing share what they are worth."
        + (" The model has learned from these rows." if evaluation.method == "crossfit" else ""),
        ("column", "loss", "low", "high"),
        tuple((each.column, *values(each.loss)) for each in found),
    )
    return Section(title, (figure,))


def slices(evaluation: Evaluation) -> Section:
    """The scores by slice."""
    title, found, metric = "By slice", evaluation.slices, evaluation.metric
    if not found:
        return Section(title, (Text("None asked for: name columns of the contract in evaluate.slices."),))
    scored = [each for each in found if metric in each.metrics]
    named = score_columns([each.metrics for each in found])
    rows = tuple(
        (Cell(f"{each.column}: {each.name}", f"{each.rows} rows"), *(score_cell(each.metrics.get(n)) for n in named))
        for each in found
    )
    table = Table(("slice", *(words.metric_title(name) for name in named)), rows)
    if not scored:
        return Section(title, (Text("Every slice has too few judged rows for a score."), table))
    drawn = [
        (
            f"{s.column}: {s.name}",
            plots.colour("ssgan"),
            *values(s.metrics[metric]),
            words.number(s.metrics[metric].value),
        )
        for s in scored
    ]
    figure = Figure(
        "slices",
        plots.intervals("slices", drawn, plots.direction(metric)),
        "Score by slice: " + ", ".join(f"{row[0]} {row[-1]}" for row in drawn[:8]),
        "The SSGAN on the judged rows of each slice. Small slices have wide intervals.",
        ("column", "slice", "rows", "metric", "value", "low", "high"),
        tuple((s.column, s.name, s.rows, metric, *values(s.metrics[metric])) for s in scored),
    )
    return Section(title, (figure, table))
