"""The gate's rules: one function each, a value against a limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ssgan.config import EvaluateParams, GateParams
from ssgan.errors import SsganError
from ssgan.judge import words
from ssgan.judge.bootstrap import resample
from ssgan.judge.checks import calibration_error, slices
from ssgan.judge.frozen import champions_answers
from ssgan.judge.metrics import Array, Floats, Scorer, gain
from ssgan.judge.prepared import Prepared
from ssgan.learn.artefact import Artefact
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateRule, RunRecord

ENOUGH_ROWS = "enough labelled rows for a verdict"
BETTER_THAN_GUESS = "better than the guess"
NO_WORSE_THAN_TWIN = "not shown to be worse than the supervised twin"
NO_WORSE_THAN_BASELINE = "not much worse than the best baseline"
NO_WORSE_THAN_CHAMPION = "no worse than the champion"
NO_SLICE_WORSE = "no slice much worse than the whole"
CALIBRATED = "calibrated"
FAST_ENOUGH = "fast enough"
KERAS_AND_ONNX_AGREE = "Keras and ONNX agree"
NOT_ROLLED_BACK = "not rolled back before"

_SHARES, _GAINS = (BETTER_THAN_GUESS, NO_WORSE_THAN_TWIN), (NO_WORSE_THAN_BASELINE, NO_WORSE_THAN_CHAMPION)


def shown(rule: str, number: float | None) -> str:
    """A rule's value or limit with its unit; "" where there is none."""
    if number is None:
        return ""
    if rule == ENOUGH_ROWS:
        return f"{number:g} rows"
    if rule in _SHARES:
        return f"{100 * number:.4g} % of resamples"
    if rule in _GAINS:
        return f"a gain of {words.signed(number)}"
    if rule == NO_SLICE_WORSE:
        return f"{words.number(number)} behind"
    if rule == FAST_ENOUGH:
        return f"{number:.3g} ms"
    return f"{number:.2g}"


def bound(rule: str) -> str:
    """How the limit of a rule is meant."""
    return "at least" if rule in (ENOUGH_ROWS, *_SHARES, *_GAINS) else "at most"


CALLS = 200  # of one row each, for the latency


@dataclass(frozen=True)
class Candidate:
    """Who wants to go into service.

    Attributes:
        name: of the entrant: "ssgan", or a baseline's where that is to be served.
        artefact: what would be packaged.
        answers: by name what each entrant says of the judged rows, probabilities `[m, K]` or values `[m]`.
    """

    name: str
    artefact: Artefact
    answers: Mapping[str, Array]

    @property
    def chosen_among(self) -> int:
        """How many had the chance to be the candidate; 1 where it is the SSGAN, which nobody chose."""
        if self.name == words.OURS:
            return 1
        return sum(name not in (*words.SAME_NETWORK, *words.FLOORS) for name in self.answers)


@dataclass(frozen=True)
class Case:
    """What the rules look at."""

    project: Project
    prepared: Prepared
    scorer: Scorer
    evaluation: Evaluation
    candidate: Candidate
    knobs: GateParams
    bootstrap: EvaluateParams

    @property
    def answers(self) -> Floats:
        """The candidate's own."""
        return self.scorer.clean(self.candidate.answers[self.candidate.name])

    def ahead(self, other: Array, margin: float = 0.0) -> float:
        """Share of resamples in which the candidate gains more than the margin over another; a tie is half a win."""
        metric, both = self.evaluation.metric, {"ours": self.answers, "theirs": self.scorer.clean(other)}
        samples = resample(self.scorer, both, self.bootstrap, self.prepared.groups, ranking=False)
        gains = np.asarray(gain(metric, samples["ours"][metric], samples["theirs"][metric])) - margin
        return float(np.mean(gains > 0) + np.mean(gains == 0) / 2)

    def gain(self, other: Array, rows: Array) -> float:
        """The candidate's gain over another in the deciding metric on some of the rows, bool `[m]`."""
        scorer, metric = self.scorer.part(rows), self.evaluation.metric
        ours, theirs = (scorer.score(each[rows])[metric] for each in (self.answers, self.scorer.clean(other)))
        return float(gain(metric, ours, theirs))


def enough_rows(case: Case) -> GateRule:
    """Few rows can prove little: each class needs some, or the values as a whole."""
    counts = case.evaluation.test_rows_per_class
    limit = case.knobs.rows_at_least if counts else 2 * case.knobs.rows_at_least
    scarce = min(counts, key=lambda name: counts[name]) if counts else ""
    value = counts[scarce] if counts else case.evaluation.test_rows
    of = f" for class {scarce}" if counts else ""
    reason = "" if value >= limit else f"{value} labelled rows{of}, {limit} are needed: label more"
    reason = _too_few_groups(case) or reason
    return GateRule(rule=ENOUGH_ROWS, value=value, limit=limit, passed=not reason, reason=reason)


def _too_few_groups(case: Case) -> str:
    """Rows of one patient are no independent witnesses, neither all together nor those of a class."""
    groups, per_class = case.evaluation.test_groups, case.prepared.groups_per_class
    alike = case.evaluation.alike_are_groups
    if 0 < groups < words.FEW_GROUPS:
        return f"the labelled rows {_held(groups, alike)}, {words.FEW_GROUPS} are needed: label rows of others"
    scarce = min(per_class, key=lambda name: per_class[name], default="")
    least = words.FEW_GROUPS_OF_A_CLASS
    if not scarce or per_class[scarce] >= least:
        return ""
    held = _held(per_class[scarce], alike)
    return f"the labelled rows of class {scarce} {held}, {least} are needed: label rows of others"


def _held(count: int, alike: bool) -> str:
    return f"have {count} different contents" if alike else f"are of {count} groups"


def better_than_guess(case: Case) -> GateRule:
    """Ahead of the majority or mean guess, by the margin, in as many resamples as the confidence asks for.

    A baseline was chosen for its score on these very rows, among several of which any may have been lucky, so that
    the doubt that is allowed is divided among them (Bonferroni).
    """
    limit = round(1 - (1 - case.knobs.confidence) / case.candidate.chosen_among, 6)
    floor = next((each for each in words.FLOORS if each in case.candidate.answers), None)
    if floor is None:
        reason = "the guess was left out of the baselines"
        return GateRule(rule=BETTER_THAN_GUESS, value=None, limit=limit, passed=False, reason=reason)
    value = case.ahead(case.candidate.answers[floor], case.knobs.margin_over_guess)
    return GateRule(rule=BETTER_THAN_GUESS, value=value, limit=limit, passed=value >= limit)


def no_worse_than_twin(case: Case) -> GateRule:
    """Where unlabelled rows did proven harm, the network without them is the better one."""
    limit = round(1 - case.knobs.confidence, 6)
    value = case.ahead(case.candidate.answers[words.TWIN])
    return GateRule(rule=NO_WORSE_THAN_TWIN, value=value, limit=limit, passed=value >= limit)


def no_worse_than_baseline(case: Case) -> GateRule | None:
    """The gain over the best baseline must not fall below what the knob allows; null: it is named, not asked for."""
    allowed, best = case.knobs.worse_than_baseline_by_at_most, words.best_baseline(case.evaluation)
    if allowed is None or best is None:
        return None
    value = case.gain(case.candidate.answers[best.name], np.ones(len(case.prepared.truth), bool))
    return GateRule(rule=NO_WORSE_THAN_BASELINE, value=value, limit=-allowed + 0.0, passed=value >= -allowed)


def no_worse_than_champion(case: Case, champion: Champion) -> GateRule:
    """The gain over the champion, on rows whose labels neither had seen."""
    limit = -case.knobs.worse_than_champion_by_at_most + 0.0  # no negative zero in the record
    try:
        artefact = Artefact.load(case.project.root / champion.model)
        theirs, rows = champions_answers(case.project, case.prepared, artefact)
    except SsganError as error:
        return _unjudged(NO_WORSE_THAN_CHAMPION, limit, f"the champion cannot judge these rows: {error}")
    if not rows.any():
        return _unjudged(NO_WORSE_THAN_CHAMPION, limit, "the champion has learned from every labelled row")
    value, on = case.gain(theirs, rows), f"on {_compared(case, rows)}"
    asked = f"{bound(NO_WORSE_THAN_CHAMPION)} {shown(NO_WORSE_THAN_CHAMPION, limit)} is asked"
    reason = on if value >= limit else f"{shown(NO_WORSE_THAN_CHAMPION, value)} {on}; {asked}"
    return GateRule(rule=NO_WORSE_THAN_CHAMPION, value=value, limit=limit, passed=value >= limit, reason=reason)


def _compared(case: Case, rows: Array) -> str:
    """How few rows the comparison rests on: it has no interval that would show it."""
    classes, count = case.prepared.contract.classes, int(rows.sum())
    counts = np.bincount(case.prepared.truth[rows], minlength=len(classes)) if classes else np.empty(0)
    scarce = f", {counts.min()} of class {classes[counts.argmin()]}," if classes else ""
    return f"{count} labelled rows{scarce} that neither had seen, by the scores alone"


def no_slice_worse(case: Case) -> GateRule | None:
    """No slice that has a score may fall behind the whole by more than the knob allows."""
    allowed, metric, prepared = case.knobs.slice_worse_by_at_most, case.evaluation.metric, case.prepared
    if allowed is None:
        return None
    found = slices(prepared.judged, prepared.contract, case.scorer, case.answers, case.bootstrap, prepared.groups)
    scored = [each for each in found if metric in each.metrics]
    if not scored:
        return None
    whole = case.scorer.score(case.answers)[metric]
    behind = {f"{each.column} {each.name}": gain(metric, whole, each.metrics[metric].value) for each in scored}
    worst = max(behind, key=lambda name: behind[name])
    value, passed = float(behind[worst]), bool(behind[worst] <= allowed)
    reason = "" if passed else f"{worst} is {value:.3g} behind, {allowed:.3g} is allowed"
    return GateRule(rule=NO_SLICE_WORSE, value=value, limit=allowed, passed=passed, reason=reason)


def calibrated(case: Case) -> GateRule | None:
    """The calibration error must not exceed the limit."""
    limit = case.knobs.calibration_error_at_most
    if limit is None or not case.prepared.contract.classes:
        return None
    value = calibration_error(case.prepared.truth, case.answers)
    return GateRule(rule=CALIBRATED, value=value, limit=limit, passed=value <= limit)


def fast_enough(case: Case) -> GateRule | None:
    """The median time of one row through the artefact, in milliseconds."""
    limit = case.knobs.milliseconds_at_most
    if limit is None:
        return None
    columns = {name: values[:1] for name, values in case.prepared.judged_columns().items()}
    x = case.candidate.artefact.encoder.encode_columns(columns)
    spent = []
    for _ in range(CALLS):
        start = time.perf_counter()
        case.candidate.artefact.predict_encoded(x)
        spent.append(time.perf_counter() - start)
    value = round(1000 * float(np.median(spent)), 3)
    return GateRule(rule=FAST_ENOUGH, value=value, limit=limit, passed=value <= limit)


def keras_and_onnx_agree(case: Case) -> GateRule:
    """What is served must answer as what was trained."""
    value, limit = RunRecord.read(case.candidate.artefact.folder / "run.json").parity, case.knobs.parity_at_most
    return GateRule(rule=KERAS_AND_ONNX_AGREE, value=value, limit=limit, passed=value <= limit)


def _unjudged(rule: str, limit: float, reason: str) -> GateRule:
    return GateRule(rule=rule, value=None, limit=limit, passed=False, reason=reason)
