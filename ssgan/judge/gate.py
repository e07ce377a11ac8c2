"""The gate: may the challenger go into service?

It must beat the guess that knows nothing, be no worse than the champion on the same labelled test rows, and answer in
ONNX as it did in Keras. The best baseline and the supervised twin are named beside it; they do not decide.
"""

from __future__ import annotations

import json
from typing import Any

from ssgan.config import GateParams, read_params
from ssgan.errors import ProjectError, SsganError
from ssgan.judge import words
from ssgan.judge.evaluate import answers_of, make_scorer
from ssgan.judge.metrics import gain
from ssgan.judge.prepared import Prepared, read_prepared
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision, GateRule, RunRecord

PARITY_AT_MOST = 1e-4  # float32 networks of this size differ by about 1e-6 between Keras and ONNX Runtime
BETTER_THAN_GUESS = "better than the guess"
NOT_ROLLED_BACK = "not rolled back before"
NO_WORSE_THAN_CHAMPION = "no worse than the champion"
KERAS_AND_ONNX_AGREE = "Keras and ONNX agree"


def gate(project: Project, force: str | None = None) -> GateDecision:
    """Decides about the model in `models/ssgan` and writes `reports/gate.json`.

    Args:
        project: one that has been evaluated.
        force: why to promote whatever the rules say; recorded with the decision.

    Raises:
        ProjectError: if this model has not been evaluated yet.
        ArtefactError: if the challenger is damaged.
    """
    if not project.evaluation.is_file():
        raise ProjectError("the gate reads reports/evaluation.json, which is not there; run `ssgan evaluate` first")
    evaluation = Evaluation.read(project.evaluation)
    challenger = Artefact.load(project.model)
    if evaluation.model != challenger.digest:
        raise ProjectError(
            "reports/evaluation.json is about another model than models/ssgan; run `ssgan evaluate` again"
        )
    champion = Champion.read(project.champion) if project.champion.is_file() else None
    if champion is not None and champion.digest == challenger.digest:
        decision = _nothing_new(challenger.digest, champion)
    else:
        rules = _rules(project, evaluation, challenger, champion)
        decision = decide(evaluation, rules, challenger.digest, champion, force)
    from ssgan.judge.report import add_decision  # draws, and so loads matplotlib

    decision.write(project.gate)
    add_decision(project, decision)
    say(f"gate: {decision.sentence}")
    return decision


def is_new(decision: GateDecision) -> bool:
    """Whether the challenger is another model than the one in service; if not, to keep it is no failure."""
    return decision.challenger != decision.champion


def decide(
    evaluation: Evaluation, rules: tuple[GateRule, ...], challenger: str, champion: Champion | None, force: str | None
) -> GateDecision:
    """The decision that follows from the rules, or from `force` where a rule failed."""
    failed = [rule for rule in rules if not rule.passed]
    return GateDecision(
        decision="promote" if not failed or force is not None else "keep",
        challenger=challenger,
        champion=champion.digest if champion else None,
        rules=rules,
        sentence=_sentence(evaluation, rules, champion, force),
        forced=force if failed else None,
    )


def _nothing_new(digest: str, champion: Champion) -> GateDecision:
    sentence = f"Nothing new: the challenger is the model in service, {champion.tag}, byte for byte."
    return GateDecision(decision="keep", challenger=digest, champion=digest, rules=(), sentence=sentence)


def _rules(
    project: Project, evaluation: Evaluation, challenger: Artefact, champion: Champion | None
) -> tuple[GateRule, ...]:
    knobs = read_params(project.params).gate
    parity = RunRecord.read(project.model / "run.json").parity
    rules = [
        _against_guess(evaluation, knobs),
        GateRule(rule=KERAS_AND_ONNX_AGREE, value=parity, limit=PARITY_AT_MOST, passed=parity <= PARITY_AT_MOST),
    ]
    if any(event["event"] == "rollback" and event["before"] == challenger.digest for event in _history(project)):
        reason = "somebody rolled this very model back"
        rules.append(GateRule(rule=NOT_ROLLED_BACK, value=None, limit=None, passed=False, reason=reason))
    if champion is not None:
        rules.insert(1, _against_champion(project, evaluation.metric, challenger, champion, knobs))
    return tuple(rules)


def _history(project: Project) -> list[dict[str, Any]]:
    """Every promotion and rollback so far."""
    if not project.champions.is_file():
        return []
    return [json.loads(line) for line in project.champions.read_text(encoding="utf-8").splitlines()]


def _against_guess(evaluation: Evaluation, knobs: GateParams) -> GateRule:
    """The gain over the majority or mean guess must exceed the margin."""
    limit = knobs.margin_over_majority
    floor = next((each for each in evaluation.differences if each.baseline in words.FLOORS), None)
    if floor is None:
        reason = "the guess was left out of the baselines"
        return GateRule(rule=BETTER_THAN_GUESS, value=None, limit=limit, passed=False, reason=reason)
    return GateRule(rule=BETTER_THAN_GUESS, value=floor.value, limit=limit, passed=floor.value > limit)


def _against_champion(
    project: Project, metric: str, challenger: Artefact, champion: Champion, knobs: GateParams
) -> GateRule:
    """The gain over the champion, both answering the same labelled test rows now."""
    limit = -knobs.worse_than_champion_by_at_most + 0.0  # no negative zero in the record
    prepared = read_prepared(project)
    try:
        old = _score(Artefact.load(project.root / champion.model), prepared)[metric]
    except SsganError as error:
        reason = f"the champion cannot judge these rows: {error}"
        return GateRule(rule=NO_WORSE_THAN_CHAMPION, value=None, limit=limit, passed=False, reason=reason)
    value = gain(metric, _score(challenger, prepared)[metric], old)
    return GateRule(rule=NO_WORSE_THAN_CHAMPION, value=value, limit=limit, passed=value >= limit)


def _score(artefact: Artefact, prepared: Prepared) -> dict[str, float]:
    """An artefact's metrics on the labelled test rows, which it encodes by its own contract.

    Raises:
        ProjectError: if its contract asks for other classes, another task, or columns that these rows do not have.
    """
    theirs, ours = artefact.contract, prepared.contract
    if (theirs.task, theirs.classes) != (ours.task, ours.classes):
        raise ProjectError("it was trained for another task or for other classes")
    lacking = [name for name in theirs.features if theirs.features[name].type != _type_here(prepared, name)]
    if lacking:
        raise ProjectError(f"it needs the columns {', '.join(lacking)} as they were when it was trained")
    rows = prepared.test[prepared.labelled_test]
    scorer = make_scorer(prepared)
    return scorer.score(scorer.clean(answers_of(artefact.predict_columns(frame_columns(rows, theirs)))))


def _type_here(prepared: Prepared, column: str) -> str | None:
    found = prepared.contract.features.get(column)
    return found.type if found else None


def _sentence(evaluation: Evaluation, rules: tuple[GateRule, ...], champion: Champion | None, force: str | None) -> str:
    failed = [_failure(rule) for rule in rules if not rule.passed]
    if not failed:
        opening = "Promote" if champion is None else f"Promote in place of {champion.tag}"
    elif force is not None:
        opening = f"Promote by force ({force}) although {'; '.join(failed)}"
    else:
        kept = f"Keep {champion.tag} in service" if champion else "Do not promote"
        opening = f"{kept}, because {'; '.join(failed)}"
    return f"{opening}: {_standing(evaluation)}."


def _failure(rule: GateRule) -> str:
    if rule.reason:
        return f'the rule "{rule.rule}" cannot be judged ({rule.reason})'
    value, limit = (f"{each:.3g}" for each in (rule.value or 0.0, rule.limit or 0.0))
    return f'the rule "{rule.rule}" failed (value {value}, limit {limit})'


def _standing(evaluation: Evaluation) -> str:
    """Where the challenger stands among the others; says so when a baseline won."""
    ours, twin, best = evaluation.score(words.OURS), evaluation.score(words.TWIN), words.best_baseline(evaluation)
    text = (
        f"{words.metric_title(evaluation.metric)} {words.value_of(evaluation, ours)} on {evaluation.test_rows} "
        f"labelled test rows, the supervised twin {words.value_of(evaluation, twin)}"
    )
    if best is None:
        return text
    text += f", the best baseline {words.title(best.name)} {words.value_of(evaluation, best)}"
    won = words.best_of(evaluation, (ours, best)).name == best.name
    return text + (", which is better than the SSGAN" if won else "")
