"""The judge's words: names of models and metrics, numbers a person can read, and the sentence of the report."""

from __future__ import annotations

from collections.abc import Mapping

from ssgan.contract import Contract
from ssgan.judge.metrics import higher_is_better
from ssgan.learn.judging import ENOUGH_GROUPS, ENOUGH_GROUPS_OF_CLASS
from ssgan.records import Difference, Evaluation, ModelScore

OURS = "ssgan"
TWIN = "twin"
ABLATION = "ablation"  # the same network without the real/fake term, where that is not the twin
ALONE = "discriminator_alone"  # where a committee answers
SAME_NETWORK = (OURS, TWIN, ABLATION, ALONE)
FLOORS = ("majority", "mean")  # the guess that knows nothing about the row
USE_UNLABELLED = (OURS, ABLATION, ALONE, "self_training", "label_spreading")  # all others learn from the labels alone
FEW_ROWS, FEW_OF_A_CLASS = 50, 10  # fewer labelled test rows than this make a weak verdict
FEW_GROUPS, FEW_GROUPS_OF_A_CLASS = ENOUGH_GROUPS, ENOUGH_GROUPS_OF_CLASS
SMALL = 0.01  # below it two digits that matter are shown, for an error may be of any size
NOISE = 1e-12  # below it a number is what rounding has left of nothing
TOSS_UP = 0.2  # ahead in a share of resamples between this and its complement: no more than luck

_TITLES = {
    OURS: "SSGAN",
    TWIN: "supervised twin",
    ABLATION: "SSGAN without real/fake",
    "majority": "majority guess",
    "mean": "mean guess",
    "boosting": "gradient boosting",
    "ridge": "ridge regression",
    "self_training": "self-training",
    "stack": "stack of plain methods",
}
_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "ece": "calibration error",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}


def title(model: str) -> str:
    """A model's name in a sentence."""
    return _TITLES.get(model, model.replace("_", " "))


def metric_title(metric: str) -> str:
    """A metric's name in a sentence."""
    return _METRICS.get(metric, metric)


def unit(contract: Contract) -> str:
    """Of the label's values; "" for classes, and where the contract names none."""
    return getattr(contract.label, "unit", None) or ""


def number(value: float) -> str:
    """Three digits that matter, no exponent for everyday sizes: 0.0043, 0.914, 54.1, 1230."""
    size = abs(float(f"{value:.3g}"))  # 999.7 is shown as a thousand
    if NOISE < abs(value) < SMALL:
        return f"{value:#.2g}"
    if size <= 1:
        return f"{round(value, 3) + 0.0:.3f}"  # no negative zero
    if size < 1000:
        return f"{value:#.3g}".rstrip(".")
    return f"{value:.0f}"


def signed(value: float) -> str:
    """A number with its sign; nothing has none, so that an interval from nothing on is not taken for one above it."""
    return f"+{number(value)}" if value > NOISE else number(value)


def best_of(evaluation: Evaluation, among: tuple[ModelScore, ...]) -> ModelScore:
    """The best by the deciding metric; of equals, the first."""
    sign = 1 if evaluation.higher_is_better else -1
    return max(among, key=lambda each: sign * each.metrics[evaluation.metric].value)


def best_baseline(evaluation: Evaluation) -> ModelScore | None:
    """The best of the others, without those that are the same network."""
    others = tuple(each for each in evaluation.scores if each.name not in SAME_NETWORK)
    return best_of(evaluation, others) if others else None


def best_of_labels(evaluation: Evaluation) -> ModelScore | None:
    """The best of the others that learn from the labelled rows alone, other than our own network."""
    others = tuple(each for each in evaluation.scores if each.name not in (*USE_UNLABELLED, TWIN))
    return best_of(evaluation, others) if others else None


def sentence(evaluation: Evaluation, unlabelled: int, groups: Mapping[str, int]) -> str:
    """The first line of the report: did the unlabelled rows help, by how much, how sure, and who is best.

    They have helped only where the SSGAN is better than whatever learns from the labels alone: than the same network,
    and than the best of the other methods, which is what a user would have without them.

    Args:
        evaluation: its own sentence is not read.
        unlabelled: training rows without a label.
        groups: that the judged rows of each class are of; {} where every row stands alone, and for values.
    """
    about = "The unlabelled rows" if unlabelled else "The terms beyond the labels (no training row was unlabelled)"
    twin = _difference(evaluation, TWIN)
    parts = [f"{about} {_verdict(evaluation, twin)}: {_comparison(evaluation, twin)}"]
    parts += [_without_them(evaluation), _winner(evaluation), _weakness(evaluation, groups)]
    return "; ".join(part for part in parts if part) + "."


def _difference(evaluation: Evaluation, name: str) -> Difference:
    return next(each for each in evaluation.differences if each.baseline == name)


def _all_alike(evaluation: Evaluation) -> bool:
    """Whether every resample is the same, being drawn from one group or from one row of each class."""
    if evaluation.test_groups:
        return evaluation.test_groups == 1
    return max(evaluation.test_rows_per_class.values(), default=evaluation.test_rows) <= 1


def _verdict(evaluation: Evaluation, twin: Difference) -> str:
    if _all_alike(evaluation):
        return (
            "may have helped or done harm, of which nothing can be said, for every resample of these rows is the same"
        )
    if twin.high < 0:
        return "did harm"
    if twin.low <= 0 and TOSS_UP <= twin.win_probability <= 1 - TOSS_UP:
        return "made no difference that these rows can show"
    if twin.value < 0:
        return "seem to have done harm, though these rows cannot prove it"
    plain = best_of_labels(evaluation)
    gain = None if plain is None else _difference(evaluation, plain.name)
    as_well = gain is not None and gain.value <= 0
    if twin.low <= 0:
        network = " the network" if as_well else ""
        but = f", and {_as_well(plain)}" if as_well else ""
        return f"seem to have helped{network}, though these rows cannot prove it{but}"
    if as_well:
        return f"helped the network, but {_as_well(plain)}"
    if gain is None or gain.low > 0:
        return "helped"
    return "helped the network; that another method does not do as well with the labels alone is not proven"


def _as_well(plain: ModelScore | None) -> str:
    if plain is not None and plain.name in FLOORS:
        return "a guess that does not look at the row does as well"
    return "the labels alone do as well with another method"


def _without_them(evaluation: Evaluation) -> str:
    """The SSGAN against the best that the labels alone give with another method."""
    plain = best_of_labels(evaluation)
    if plain is None:
        return ""
    gain, first = _difference(evaluation, plain.name), best_of(evaluation, evaluation.scores).name == plain.name
    return (
        f"the best other method on the labels alone{' and the best of all' if first else ''}, {title(plain.name)}, "
        f"has {value_of(evaluation, plain)} ({_gap(gain)}{_interval(gain)})"
    )


def _gap(found: Difference) -> str:
    if not found.value:
        return "level"
    return f"the SSGAN is {number(abs(found.value))} {'better' if found.value > 0 else 'worse'}"


def _interval(found: Difference) -> str:
    return f", {signed(found.low)} to {signed(found.high)}" if found.low != found.high else ""


def _comparison(evaluation: Evaluation, twin: Difference) -> str:
    metric = evaluation.metric
    ours, theirs = (number(evaluation.score(name).metrics[metric].value) for name in (OURS, TWIN))
    gap = f"{number(abs(twin.value))} {'better' if twin.value > 0 else 'worse'}" if twin.value else "level"
    twins = "the supervised twin, the same network without them and without a teacher"
    against = f"{metric_title(metric)} {ours} against {theirs} for {twins}"
    if _all_alike(evaluation):
        return f"{against} ({gap}, by a score without an interval)"
    if twin.low == twin.high == 0:
        return f"{against} (level; in {100 * evaluation.confidence:g} % of resamples or more they are not apart at all)"
    between = f"{100 * evaluation.confidence:g} % interval of the gain {signed(twin.low)} to {signed(twin.high)}"
    return f"{against} ({gap}; {between}, ahead in {100 * twin.win_probability:.0f} % of resamples)"


def _winner(evaluation: Evaluation) -> str:
    """Who is best of all, where that is not said already."""
    best, plain, runner = best_of(evaluation, evaluation.scores), best_of_labels(evaluation), best_baseline(evaluation)
    if plain is not None and best.name == plain.name:
        return ""
    if best.name != OURS and value_of(evaluation, best) == value_of(evaluation, evaluation.score(OURS)):
        return f"best of all, though by less than these digits show: {title(best.name)}"
    if best.name != OURS:
        ahead = "better than" if _difference(evaluation, best.name).high < 0 else "ahead of"
        return f"best of all, and {ahead} the SSGAN: {title(best.name)} with {value_of(evaluation, best)}"
    level = [each.baseline for each in evaluation.differences if not each.value]
    others = len(level) - level.count(TWIN)  # of the twin it is said above
    if others:
        return f"none is better, and {others} of the others {'are' if others > 1 else 'is'} level with it"
    if level:
        return "none is better"
    if runner is None or (plain is not None and runner.name == plain.name):
        return "best of all: the SSGAN"
    return f"best of all: the SSGAN, before {title(runner.name)} with {value_of(evaluation, runner)}"


def value_of(evaluation: Evaluation, score: ModelScore) -> str:
    """The deciding metric of one model, for a sentence."""
    return number(score.metrics[evaluation.metric].value)


def _weakness(evaluation: Evaluation, groups: Mapping[str, int]) -> str:
    rows, per_class = evaluation.test_rows, evaluation.test_rows_per_class
    few_groups = 0 < evaluation.test_groups < FEW_GROUPS
    scarce = [f"{count} of {name}" for name, count in per_class.items() if count < FEW_OF_A_CLASS]
    if not few_groups:  # else that is said, and explains the rest
        kind = "different row" if evaluation.alike_are_groups else "group"
        few = {name: n for name, n in groups.items() if 0 < n < FEW_GROUPS_OF_A_CLASS}
        scarce += [f"{_several(n, kind)} with {name}" for name, n in few.items()]
    if rows >= FEW_ROWS and not scarce and not few_groups:
        return f"judged on {_rows(evaluation)}"
    named = ", ".join(scarce[:3])
    weak = "there is no verdict, for it would rest" if _all_alike(evaluation) else "the verdict is weak, for it rests"
    return f"{weak} on {_rows(evaluation)}" + (f" (only {named})" if named else "")


def _several(count: int, kind: str) -> str:
    return f"{count} {kind}{'s' if count > 1 else ''}"


def _rows(evaluation: Evaluation) -> str:
    groups, of = evaluation.test_groups, ""
    if groups:
        of = f" ({groups} of them different)" if evaluation.alike_are_groups else f" of {_several(groups, 'group')}"
    if evaluation.method == "holdout":
        return f"{evaluation.test_rows} labelled test rows{of}"
    return f"{evaluation.test_rows} labelled rows{of}, each answered by a model that had not seen its label"


def runs(metric: str) -> str:
    """Which way the metric runs, for captions."""
    return "higher is better" if higher_is_better(metric) else "lower is better"
