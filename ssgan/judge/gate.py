"""The gate: may the challenger go into service?

It must rest on enough labelled rows, beat the guess that knows nothing, not be shown to be worse than its supervised
twin, be no worse than the champion on rows that neither had seen, and answer in ONNX as it did in Keras; more rules are
knobs. The best baseline is named beside it. It does not decide, for something must be served, unless the user says so:
by a limit, or by `gate.serve: winner`, which packages whoever is best.
"""

from __future__ import annotations

import json
from typing import Any

from ssgan.config import read_params
from ssgan.errors import ProjectError, UserError
from ssgan.judge import rules, words
from ssgan.judge.answers import answers_of, gather
from ssgan.judge.baselines import stored_answers
from ssgan.judge.evaluate import make_scorer
from ssgan.judge.frozen import keep_answers
from ssgan.judge.metrics import Array, gain
from ssgan.judge.prepared import Prepared, read_prepared
from ssgan.judge.rules import NOT_ROLLED_BACK, Candidate, Case
from ssgan.learn.artefact import Artefact
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision, GateRule


def gate(project: Project, force: str | None = None) -> GateDecision:
    """Decides about the model in `models/ssgan` and writes `reports/gate.json`.

    Args:
        project: one that has been evaluated.
        force: why to promote whatever the rules say; recorded with the decision.

    Raises:
        ProjectError: if this model has not been evaluated yet.
        ArtefactError: if the challenger is damaged.
        UserError: if `force` is given without a reason.
    """
    from ssgan.judge.report import add_decision  # draws, and so loads matplotlib

    require_reason(force)
    if not project.evaluation.is_file():
        raise ProjectError("the gate reads reports/evaluation.json, which is not there; run `ssgan evaluate` first")
    evaluation = Evaluation.read(project.evaluation)
    trained = Artefact.load(project.model)
    if evaluation.model != trained.digest:
        raise ProjectError(
            "reports/evaluation.json is about another model than models/ssgan; run `ssgan evaluate` again"
        )
    champion = Champion.read(project.champion) if project.champion.is_file() else None
    prepared = read_prepared(project)
    candidate = _candidate(project, prepared, evaluation, trained)
    if champion is not None and champion.digest == candidate.artefact.digest:
        decision = _nothing_new(candidate.artefact.digest, champion)
    else:
        found = _rules(project, prepared, evaluation, candidate, champion)
        decision = decide(evaluation, found, candidate.artefact.digest, champion, force, candidate.name)
    if decision.decision == "promote":
        keep_answers(project, decision.challenger, candidate.answers[candidate.name])
    recorded = _to_record(project, decision)
    recorded.write(project.gate)
    add_decision(project, recorded)
    say(f"gate: {decision.sentence}")
    return decision


def require_reason(force: str | None) -> None:
    """Checks that whoever forces a promotion says why: without it nothing would be recorded.

    Raises:
        UserError: if the reason is empty.
    """
    if force is not None and not force.strip():
        raise UserError(f"--force must give the reason, which is recorded, and is {force!r}; say why")


def is_new(decision: GateDecision) -> bool:
    """Whether the challenger is another model than the one in service; if not, to keep it is no failure."""
    return decision.challenger != decision.champion


def decide(
    evaluation: Evaluation,
    rules: tuple[GateRule, ...],
    challenger: str,
    champion: Champion | None,
    force: str | None,
    name: str = words.OURS,
) -> GateDecision:
    """The decision that follows from the rules, or from `force` where a rule failed; `name` is the entrant's."""
    failed = [rule for rule in rules if not rule.passed]
    return GateDecision(
        decision="promote" if not failed or force is not None else "keep",
        challenger=challenger,
        champion=champion.digest if champion else None,
        rules=rules,
        sentence=_sentence(evaluation, rules, champion, force, name),
        forced=force if failed else None,
        entrant=name,
    )


def _nothing_new(digest: str, champion: Champion) -> GateDecision:
    sentence = f"Nothing new: the challenger is the model in service, {champion.tag}, byte for byte."
    return GateDecision(decision="keep", challenger=digest, champion=digest, rules=(), sentence=sentence)


def _to_record(project: Project, decision: GateDecision) -> GateDecision:
    """The decision, or the one that put this model into service: why it was promoted is not to be lost."""
    if is_new(decision) or not project.gate.is_file():
        return decision
    before = GateDecision.read(project.gate)
    promoted = before.decision == "promote" and before.challenger == decision.challenger
    return before if promoted else decision


def _candidate(project: Project, prepared: Prepared, evaluation: Evaluation, trained: Artefact) -> Candidate:
    """The SSGAN, or with `gate.serve: winner` the baseline that beat it."""
    params = read_params(project.params)
    judged = gather(project, prepared, params.calibrate)
    answers: dict[str, Array] = {words.OURS: answers_of(judged.ours)}
    answers |= {name: answers_of(each) for name, each in judged.others.items()} | stored_answers(project, prepared)[0]
    best, ours = words.best_baseline(evaluation), evaluation.score(words.OURS)
    metric = evaluation.metric
    if (
        params.gate.serve == "ssgan"
        or best is None
        or best.name in words.FLOORS
        or gain(metric, best.metrics[metric].value, ours.metrics[metric].value) <= 0
    ):
        return Candidate(words.OURS, trained, answers)
    from ssgan.judge.winner import package_baseline  # converts, and so loads skl2onnx

    artefact, calibrated = package_baseline(project, prepared, best.name, trained, answers[best.name])
    return Candidate(best.name, artefact, {**answers, best.name: calibrated})


def _rules(
    project: Project, prepared: Prepared, evaluation: Evaluation, candidate: Candidate, champion: Champion | None
) -> tuple[GateRule, ...]:
    params = read_params(project.params)
    case = Case(project, prepared, make_scorer(prepared), evaluation, candidate, params.gate, params.evaluate)
    found = [
        rules.enough_rows(case),
        rules.better_than_guess(case),
        rules.no_worse_than_twin(case),
        rules.no_worse_than_baseline(case),
        rules.no_worse_than_champion(case, champion) if champion is not None else None,
        rules.no_slice_worse(case),
        rules.calibrated(case),
        rules.fast_enough(case),
        rules.keras_and_onnx_agree(case),
    ]
    if any(
        event["event"] == "rollback" and event["before"] == candidate.artefact.digest for event in _history(project)
    ):
        reason = "somebody rolled this very model back"
        found.append(GateRule(rule=NOT_ROLLED_BACK, value=None, limit=None, passed=False, reason=reason))
    return tuple(rule for rule in found if rule is not None)


def _history(project: Project) -> list[dict[str, Any]]:
    """Every promotion and rollback so far."""
    if not project.champions.is_file():
        return []
    return [json.loads(line) for line in project.champions.read_text(encoding="utf-8").splitlines()]


def _sentence(
    evaluation: Evaluation, rules: tuple[GateRule, ...], champion: Champion | None, force: str | None, name: str
) -> str:
    failed = [_failure(rule) for rule in rules if not rule.passed]
    what = "" if name == words.OURS else f" {words.title(name)}, the winner,"
    if not failed:
        opening = f"Promote{what}" if champion is None else f"Promote{what} in place of {champion.tag}"
    elif force is not None:
        opening = f"Promote by force ({force}) although {'; '.join(failed)}"
    else:
        kept = f"Keep {champion.tag} in service" if champion else "Do not promote"
        opening = f"{kept}, because {'; '.join(failed)}"
    return f"{opening}: {_standing(evaluation)}."


def _failure(rule: GateRule) -> str:
    if rule.reason and (rule.value is not None or rule.rule == NOT_ROLLED_BACK):
        return f'the rule "{rule.rule}" failed ({rule.reason})'
    if rule.reason:
        return f'the rule "{rule.rule}" cannot be judged ({rule.reason})'
    value, limit = (rules.shown(rule.rule, each) for each in (rule.value, rule.limit))
    return f'the rule "{rule.rule}" failed ({value}; {rules.bound(rule.rule)} {limit} is asked)'


def _standing(evaluation: Evaluation) -> str:
    """Where the challenger stands among the others; says so when a baseline won."""
    ours, twin, best = evaluation.score(words.OURS), evaluation.score(words.TWIN), words.best_baseline(evaluation)
    text = (
        f"{words.metric_title(evaluation.metric)} {words.value_of(evaluation, ours)} on {evaluation.test_rows} "
        f"labelled rows, the supervised twin {words.value_of(evaluation, twin)}"
    )
    if best is None:
        return text
    text += f", the best baseline {words.title(best.name)} {words.value_of(evaluation, best)}"
    gain = next(each for each in evaluation.differences if each.baseline == best.name)
    if gain.value >= 0:
        return text
    unproven = ", which is ahead of the SSGAN, though these rows cannot prove it"
    return text + (", which is better than the SSGAN" if gain.high < 0 else unproven)
