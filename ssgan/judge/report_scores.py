"""Sections of the report about who is how good: the model, the baselines, the gate, and how many labels it takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ssgan.judge import plots, plots_rows, rules, words
from ssgan.judge.document import Block, Cell, Figure, Items, Place, Section, Table, Text, Tile
from ssgan.records import Difference, Evaluation, GateDecision, GateRule, Score

NO_CURVE = (
    "Not measured: either evaluate.curve in params.yaml is empty, or half of the labels would be fewer than two of a "
    "class (ten values). Name shares of the labels there, such as [0.25, 0.5], and run again."
)


def tiles(evaluation: Evaluation) -> tuple[Tile, ...]:
    """The four numbers below the sentence."""
    metric = evaluation.metric
    ours, best = evaluation.score(words.OURS), words.best_baseline(evaluation)
    twin = next(each for each in evaluation.differences if each.baseline == words.TWIN)
    found = [
        Tile(words.metric_title(metric), words.value_of(evaluation, ours), "SSGAN"),
        Tile("gain", words.signed(twin.value), "over the supervised twin"),
        Tile("ahead of the twin in", f"{100 * twin.win_probability:.0f} %", "of resamples"),
    ]
    if best is not None:
        found.append(Tile("best baseline", words.value_of(evaluation, best), words.title(best.name)))
    return tuple(found)


def gate() -> Section:
    """The gate's decision, once there is one."""
    waiting = Text("The gate has not decided yet. When it does, the same report with its decision is in gate.html.")
    return Section("May it go into service?", (Place("gate", (waiting,)),))


def gate_card(decision: GateDecision) -> tuple[Block, ...]:
    """Every rule with its value and limit."""
    if not decision.rules:
        return (Text("No rule was asked, for there is nothing new to decide about."),)
    rows = tuple(_rule(each) for each in decision.rules)
    head: tuple[str, ...] = ("rule", "verdict", "value", "limit", "why")
    if not any(each.reason for each in decision.rules):
        head, rows = head[:-1], tuple(row[:-1] for row in rows)
    card = Table(head, rows, prose=True)
    other: tuple[Block, ...] = ()
    if decision.entrant != words.OURS and decision.decision == "promote":
        other = (Text(f"The rest of this page is about the SSGAN; {words.title(decision.entrant)} is what is served."),)
    forced = (Text(decision.forced, strong="Forced, for this reason:"),) if decision.forced else ()
    return (card, *other, *forced)


def verdict(decision: GateDecision) -> tuple[Block, ...]:
    """What the gate decided, below the sentence that it decided on."""
    decided, _, why = decision.sentence.rpartition(": ")  # a rule's reason may have a colon too
    return (Text(why, strong=f"{decided}:"),)


def _rule(rule: GateRule) -> tuple[Cell | str, ...]:
    value = rules.shown(rule.rule, rule.value)
    limit = "" if rule.limit is None else f"{rules.bound(rule.rule)} {rules.shown(rule.rule, rule.limit)}"
    return (rule.rule, "✓ holds" if rule.passed else "✗ fails", value, limit, rule.reason)


def models(evaluation: Evaluation, unit: str) -> Section:
    """Every model with its interval, and the SSGAN's gain over each on the same rows; `unit` of values, or ""."""
    return Section(
        "The model against the baselines",
        (*_scores(evaluation, unit), *_capped(evaluation), *_left_out(evaluation), *_differences(evaluation)),
    )


def _scores(evaluation: Evaluation, unit: str) -> tuple[Block, ...]:
    metric, sign = evaluation.metric, 1 if evaluation.higher_is_better else -1
    ordered = sorted(evaluation.scores, key=lambda each: -sign * each.metrics[metric].value)
    found = [(each.name, each.metrics[metric]) for each in ordered]
    rows = [(words.title(name), plots.colour(name), *values(score), words.number(score.value)) for name, score in found]
    figure = Figure(
        "scores",
        plots.intervals("scores", rows, plots.direction(metric)),
        "Scores with intervals: " + ", ".join(f"{row[0]} {row[-1]}" for row in rows),
        f"{judged(evaluation)} Bars and small numbers are {level(evaluation)} bootstrap intervals over "
        f"{evaluation.resamples} resamples, the same ones for every model.",
        ("model", "metric", "value", "low", "high"),
        tuple((name, metric, *values(score)) for name, score in found),
    )
    named = sorted(evaluation.scores[0].metrics, key=lambda each: each != metric)  # the one that decides comes first
    head = ("model", *(f"{words.metric_title(each)} {'↑' if up(each) else '↓'}" for each in named))
    table = tuple(
        (named_cell(model.name), *(score_cell(model.metrics.get(each)) for each in named))
        for model in evaluation.scores
    )
    in_unit = f" RMSE and MAE are in {unit}." if unit else ""
    return (
        figure,
        Text(f"↑ higher is better, ↓ lower is better.{in_unit}"),
        Table(head, table),
        *_calibrated(evaluation),
        *flawless(score for model in evaluation.scores for score in model.metrics.values()),
    )


def _calibrated(evaluation: Evaluation) -> tuple[Block, ...]:
    """Whose probabilities are, which log loss and Brier score feel and accuracy does not."""
    if "log_loss" not in evaluation.scores[0].metrics:
        return ()
    who = "the networks" if evaluation.method == "crossfit" else "the SSGAN"
    return (Text(f"Only the probabilities of {who} are calibrated, which log loss and Brier score reward."),)


def _capped(evaluation: Evaluation) -> tuple[Block, ...]:
    if not evaluation.capped:
        return ()
    names = " and ".join(words.title(name) for name in evaluation.capped)
    rows = max(evaluation.capped.values())
    learned = f"learned from {rows} training rows at most, the SSGAN from all"
    return (Text(f"{names[0].upper()}{names[1:]} {learned}: baselines.semi_supervised_rows_at_most gives them more."),)


def _left_out(evaluation: Evaluation) -> tuple[Block, ...]:
    if not evaluation.left_out:
        return ()
    reasons = tuple(f"{words.title(name)}: {why}" for name, why in evaluation.left_out.items())
    return (Text("Left out, because they could not learn from these rows:"), Items(reasons))


def _differences(evaluation: Evaluation) -> tuple[Block, ...]:
    found, label = evaluation.differences, f"gain in {words.metric_title(evaluation.metric)}\n(above 0: SSGAN better)"
    rows = [
        (words.title(each.baseline), plots.colour(each.baseline), *values(each), words.signed(each.value))
        for each in found
    ]
    figure = Figure(
        "differences",
        plots.intervals("differences", rows, label, zero=True),
        "Gain of the SSGAN over: " + ", ".join(f"{row[0]} {row[-1]}" for row in rows),
        "Model by model on the same resampled rows, which says more than two intervals side by side. "
        "The supervised twin is the same network with the labelled rows alone, and without a teacher.",
        ("baseline", "gain", "low", "high", "win_probability"),
        tuple((each.baseline, *values(each), each.win_probability) for each in found),
    )
    table = tuple(
        (
            named_cell(each.baseline),
            words.signed(each.value),
            f"{words.signed(each.low)} to {words.signed(each.high)}",
            f"{100 * each.win_probability:.0f} %",
        )
        for each in found
    )
    return (figure, Table(("against", "gain", f"{level(evaluation)} interval", "SSGAN ahead"), table))


def curve(evaluation: Evaluation) -> Section:
    """Score over number of labels."""
    title, points = "How many labels does it take?", evaluation.curve
    if not points:
        return Section(title, (Text(NO_CURVE),))
    ours = [each for each in points if each.model == words.OURS]
    alt = "Score of the SSGAN over labels: " + ", ".join(
        f"{words.number(each.score.value)} with {each.labels}" for each in ours
    )
    figure = Figure(
        "curve",
        plots_rows.efficiency(evaluation.metric, points),
        alt,
        f"{'Higher' if up(evaluation.metric) else 'Lower'} is better. Each smaller set of labels is part of the next "
        "one. The band is the SSGAN's interval over the judged rows. A line that still improves at its right end "
        "says that more labels may be worth their price. More points: evaluate.curve.",
        ("model", "labels", "metric", "value", "low", "high"),
        tuple((each.model, each.labels, evaluation.metric, *values(each.score)) for each in points),
    )
    return Section(title, (figure,))


def judged(evaluation: Evaluation) -> str:
    """Which rows judge, in a sentence."""
    rows = evaluation.test_rows
    if evaluation.method == "crossfit":
        return f"{rows} labelled rows, each answered by models of {evaluation.folds} folds that had not seen its label."
    return f"{rows} labelled test rows that no training saw."


def level(evaluation: Evaluation) -> str:
    """Of the intervals, as a percentage."""
    return f"{100 * evaluation.confidence:g} %"


def up(metric: str) -> bool:
    """Whether more is better."""
    return words.runs(metric).startswith("higher")


def named_cell(model: str) -> Cell:
    """A model's name with its colour."""
    return Cell(words.title(model), colour=plots.colour(model))


def score_cell(score: Score | None) -> Cell | str:
    """A score with its interval below it."""
    if score is None:
        return ""
    return Cell(words.number(score.value), f"{words.number(score.low)} to {words.number(score.high)}")


def flawless(scores: Iterable[Score]) -> tuple[Block, ...]:
    """What an interval of 1 to 1 does not say: resamples of rows that are all right are all right as well."""
    if not any(score.low == score.high == 1 for score in scores):
        return ()
    said = (
        "1 to 1 says that nothing was wrong among the judged rows, not that nothing can be: where m rows were all "
        "right, as many as 3/m of others may be wrong (95 %)."
    )
    return (Text(said),)


def values(found: Score | Difference) -> tuple[float, float, float]:
    """Value and interval."""
    return found.value, found.low, found.high


def score_columns(scores: Sequence[dict[str, Score]]) -> tuple[str, ...]:
    """The metrics that any of them has, in order."""
    return tuple(dict.fromkeys(name for each in scores for name in each))
