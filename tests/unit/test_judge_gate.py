"""The gate: who may go into service, and the sentence that says why."""

from __future__ import annotations

import json
import shutil

import pytest
from judged import make_frame, make_project, write_model, write_prepared

from ssgan.config import set_knob
from ssgan.contract import read_contract
from ssgan.errors import ProjectError
from ssgan.judge.baselines import baselines
from ssgan.judge.evaluate import evaluate
from ssgan.judge.gate import BETTER_THAN_GUESS, KERAS_AND_ONNX_AGREE, NO_WORSE_THAN_CHAMPION, gate, is_new
from ssgan.learn.artefact import Artefact, write_checksums
from ssgan.project import Project
from ssgan.records import Champion, GateDecision, Lineage


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory):
    """Judged projects by their making: each is judged once and then copied."""
    known = {}

    def get(good, classes):
        if (good, classes) not in known:
            project = make_project(tmp_path_factory.mktemp("judged") / "project", good=good, classes=classes)
            set_knob(project.params, "baselines.trees=5")
            set_knob(project.params, "evaluate.resamples=50")
            baselines(project)
            evaluate(project)
            known[good, classes] = project.root
        return known[good, classes]

    return get


@pytest.fixture
def ready(judged_once, tmp_path):
    """Makes a judged project whose champion, if any, is a model as good as `champion` says."""

    def make(good=3.0, champion=None, classes=("red", "green", "blue")):
        root = tmp_path / f"{good} {len(classes)}"
        project = Project(shutil.copytree(judged_once(good, classes), root))
        if champion is not None:
            crown(project, champion)
        return project

    return make


def crown(project, good):
    folder = project.root / "models" / "champion"
    write_model(project, folder, good)
    digest = Artefact.load(folder).digest
    lineage = Lineage(model="toy:1", digest=digest, data_version="data-1", data_hash="0", git_commit="0", gate="")
    champion = Champion(
        tag="toy:1",
        model="models/champion",
        digest=digest,
        lineage=lineage,
        promoted_at="2026-01-01T00:00:00Z",
        previous=None,
    )
    champion.write(project.champion)
    return champion


def verdicts(decision):
    return {rule.rule: rule.passed for rule in decision.rules}


def test_a_useful_first_model_is_promoted(ready):
    project = ready()
    decision = gate(project)
    assert decision.decision == "promote"
    assert is_new(decision)
    assert verdicts(decision) == {BETTER_THAN_GUESS: True, KERAS_AND_ONNX_AGREE: True}
    assert GateDecision.read(project.gate) == decision
    assert "the supervised twin" in decision.sentence
    assert "the best baseline" in decision.sentence


def test_a_useless_model_is_kept_out(ready):
    decision = gate(ready(good=0.0))
    assert decision.decision == "keep"
    assert verdicts(decision)[BETTER_THAN_GUESS] is False
    assert decision.sentence.startswith('Do not promote, because the rule "better than the guess" failed')
    assert "which is better than the SSGAN" in decision.sentence


def test_the_margin_over_the_guess_is_a_knob(ready):
    project = ready()
    set_knob(project.params, "gate.margin_over_majority=0.9")
    assert gate(project).decision == "keep"


def test_a_worse_challenger_is_kept_out(ready):
    project = ready(good=-1.0, champion=3.0)
    decision = gate(project)
    assert decision.decision == "keep"
    assert verdicts(decision)[NO_WORSE_THAN_CHAMPION] is False
    assert "Keep toy:1 in service" in decision.sentence


def test_a_better_challenger_replaces_the_champion(ready):
    decision = gate(ready(good=3.0, champion=0.0))
    assert decision.decision == "promote"
    assert decision.sentence.startswith("Promote in place of toy:1: ")


def test_an_equal_challenger_replaces_the_champion(ready):
    decision = gate(ready(good=3.0, champion=6.0))  # surer of itself, but the same guesses
    rule = next(rule for rule in decision.rules if rule.rule == NO_WORSE_THAN_CHAMPION)
    assert (rule.value, rule.limit, rule.passed) == (0.0, 0.0, True)


def test_how_much_worse_is_allowed_is_a_knob(ready):
    project = ready(good=-1.0, champion=3.0)
    set_knob(project.params, "gate.worse_than_champion_by_at_most=1.0")
    assert verdicts(gate(project))[NO_WORSE_THAN_CHAMPION] is True


def test_the_same_model_again_is_nothing_new(ready):
    project = ready(good=3.0, champion=3.0)
    decision = gate(project, force="please")
    assert decision.decision == "keep"
    assert not is_new(decision)
    assert decision.sentence.startswith("Nothing new")


def test_force_promotes_and_is_recorded_with_its_reason(ready):
    decision = gate(ready(good=0.0), force="the customer insists")
    assert (decision.decision, decision.forced) == ("promote", "the customer insists")
    assert "Promote by force (the customer insists) although" in decision.sentence


def test_a_regression_passes_the_same_gate(ready):
    assert gate(ready(good=3.0, classes=())).decision == "promote"
    assert gate(ready(good=-2.0, classes=())).decision == "keep"


def test_a_champion_of_other_classes_cannot_be_compared_and_the_sentence_says_so(ready):
    project = ready(champion=3.0)
    contract = read_contract(project.contract)
    changed = contract.model_copy(update={"label": contract.label.model_copy(update={"classes": ("red", "green")})})
    write_prepared(project, changed, make_frame(changed, 60, 30, seed=0), make_frame(changed, 40, 40, seed=1))
    write_model(project, project.model, 3.0)
    write_model(project, project.twin, 2.0)
    baselines(project)
    evaluate(project)
    decision = gate(project)
    rule = next(rule for rule in decision.rules if rule.rule == NO_WORSE_THAN_CHAMPION)
    assert (rule.passed, rule.value) == (False, None)
    assert "other classes" in rule.reason
    assert "other classes" in decision.sentence


def test_a_champion_whose_files_are_gone_cannot_be_compared(ready):
    project = ready(champion=2.0)
    shutil.rmtree(project.root / "models" / "champion")
    decision = gate(project)
    assert decision.decision == "keep"
    assert "cannot be judged" in decision.sentence


def test_a_model_whose_onnx_strayed_from_keras_is_kept_out(ready):
    project = ready()
    write_model(project, project.model, 3.0, parity=2e-4)
    evaluate(project)
    assert verdicts(gate(project))[KERAS_AND_ONNX_AGREE] is False


def test_a_model_that_was_not_evaluated_does_not_pass(ready):
    project = ready()
    (project.model / "history.csv").write_text("step\n1\n")
    write_checksums(project.model)
    with pytest.raises(ProjectError, match="about another model"):
        gate(project)
    project.evaluation.unlink()
    with pytest.raises(ProjectError, match="run `ssgan evaluate` first"):
        gate(project)


def test_a_model_that_was_rolled_back_does_not_come_back_by_itself(ready):
    project = ready(good=3.0, champion=1.0)
    event = {"event": "rollback", "before": Artefact.load(project.model).digest, "champion": {}}
    project.champions.write_text(json.dumps(event) + "\n", encoding="utf-8")
    decision = gate(project)
    assert decision.decision == "keep"
    assert "rolled" in decision.sentence
    assert gate(project, force="it was the data").decision == "promote"


def test_force_without_need_is_not_recorded_as_force(ready):
    decision = gate(ready(), force="to be safe")
    assert (decision.decision, decision.forced) == ("promote", None)
