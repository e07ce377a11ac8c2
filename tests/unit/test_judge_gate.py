"""The gate: who may go into service, and the sentence that says why."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from judged import make_frame, make_project, name_a_group, write_model, write_prepared

from ssgan.config import EvaluateParams, GateParams, read_params, set_knob
from ssgan.contract import GROUP, ROW_ID, read_contract
from ssgan.errors import ProjectError, SsganError
from ssgan.judge import winner_graph
from ssgan.judge.baselines import baselines, stored_answers
from ssgan.judge.bootstrap import resample
from ssgan.judge.evaluate import evaluate, judge
from ssgan.judge.frozen import champions_answers
from ssgan.judge.gate import decide, gate, is_new
from ssgan.judge.methods import Task, methods, predict
from ssgan.judge.metrics import ClassScorer, ValueScorer
from ssgan.judge.prepared import read_prepared
from ssgan.judge.rules import (
    BETTER_THAN_GUESS,
    CALIBRATED,
    ENOUGH_ROWS,
    FAST_ENOUGH,
    KERAS_AND_ONNX_AGREE,
    NO_SLICE_WORSE,
    NO_WORSE_THAN_BASELINE,
    NO_WORSE_THAN_CHAMPION,
    NO_WORSE_THAN_TWIN,
    Candidate,
    Case,
    better_than_guess,
    no_worse_than_twin,
)
from ssgan.judge.winner import package_baseline
from ssgan.judge.words import FEW_GROUPS_OF_A_CLASS, best_baseline, title
from ssgan.learn.artefact import Artefact, open_session, write_checksums
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision, Lineage, RunRecord


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
    asked = (ENOUGH_ROWS, BETTER_THAN_GUESS, NO_WORSE_THAN_TWIN, KERAS_AND_ONNX_AGREE)
    assert verdicts(decision) == dict.fromkeys(asked, True)
    assert project.judged_of(decision.challenger).is_file()
    assert GateDecision.read(project.gate) == decision
    assert "the supervised twin" in decision.sentence
    assert "the best baseline" in decision.sentence


def test_a_useless_model_is_kept_out(ready):
    decision = gate(ready(good=0.0))
    assert decision.decision == "keep"
    assert verdicts(decision)[BETTER_THAN_GUESS] is False
    assert decision.sentence.startswith('Do not promote, because the rule "better than the guess" failed')
    assert "which is better than the SSGAN" in decision.sentence


def test_a_baseline_is_called_better_only_where_that_is_proven(ready):
    project = ready(good=0.0)
    evaluation = Evaluation.read(project.evaluation)
    unproven = tuple(each.model_copy(update={"high": 0.1}) for each in evaluation.differences)
    evaluation.model_copy(update={"differences": unproven}).write(project.evaluation)
    assert "which is ahead of the SSGAN, though these rows cannot prove it" in gate(project).sentence


def test_the_margin_over_the_guess_is_a_knob(ready):
    project = ready()
    set_knob(project.params, "gate.margin_over_guess=0.9")
    assert gate(project).decision == "keep"


def test_a_worse_challenger_is_kept_out(ready):
    project = ready(good=-1.0, champion=3.0)
    decision = gate(project)
    assert decision.decision == "keep"
    assert verdicts(decision)[NO_WORSE_THAN_CHAMPION] is False
    assert "Keep toy:1 in service" in decision.sentence
    compared = r"failed \(a gain of -0\.\d+ on 80 labelled rows, 26 of class blue, that neither had seen, by the scores"
    assert re.search(compared, decision.sentence)


def test_a_better_challenger_replaces_the_champion(ready):
    decision = gate(ready(good=3.0, champion=0.0))
    assert decision.decision == "promote"
    assert decision.sentence.startswith("Promote in place of toy:1: ")


def test_an_equal_challenger_replaces_the_champion(ready):
    decision = gate(ready(good=3.0, champion=6.0))  # surer of itself, but the same guesses
    rule = next(rule for rule in decision.rules if rule.rule == NO_WORSE_THAN_CHAMPION)
    assert (rule.value, rule.limit, rule.passed) == (0.0, 0.0, True)
    assert rule.reason.startswith("on 80 labelled rows, 26 of class blue, that neither had seen")


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
    assert 'the rule "not rolled back before" failed (somebody rolled this very model back)' in decision.sentence
    assert gate(project, force="it was the data").decision == "promote"


def test_force_without_need_is_not_recorded_as_force(ready):
    decision = gate(ready(), force="to be safe")
    assert (decision.decision, decision.forced) == ("promote", None)


def rewritten(project, **knobs):
    for name, value in knobs.items():
        set_knob(project.params, f"gate.{name}={value}")
    return gate(project)


def test_too_few_rows_are_a_verdict_that_says_how_many_are_lacking(ready):
    decision = rewritten(ready(), rows_at_least=40)
    assert decision.decision == "keep"
    assert "26 labelled rows for class blue, 40 are needed" in decision.sentence


@pytest.mark.parametrize(
    ("group_of", "said"),
    [
        (lambda row, kind: row % 3, "the labelled rows are of 3 groups, 10 are needed: label rows of others"),
        (lambda row, kind: row % 8, "the labelled rows are of 8 groups, 10 are needed: label rows of others"),
        (lambda row, kind: row % 10, ""),
        (lambda row, kind: row, ""),  # each row stands alone
        (
            lambda row, kind: np.where(kind == 2, 100 + row % 4, row % 20),
            "the labelled rows of class blue are of 4 groups, 5 are needed: label rows of others",
        ),
        (lambda row, kind: np.where(kind == 2, 100 + row % 5, row % 20), ""),
    ],
)
def test_rows_of_few_groups_are_not_enough_however_many_they_are(ready, group_of, said):
    project = ready()
    name_a_group(project)
    judged, truth = pd.read_parquet(project.prepared / "judged.parquet"), read_prepared(project).truth
    judged[GROUP] = np.asarray(group_of(np.arange(len(judged)), truth)).astype(str)
    judged.to_parquet(project.prepared / "judged.parquet", index=False)
    assert evaluate(project).test_rows == 80
    decision = gate(project)
    assert verdicts(decision)[ENOUGH_ROWS] is (not said)
    assert said in decision.sentence


def test_rows_alike_are_not_called_groups_where_the_contract_names_none(ready):
    project = ready()
    judged = pd.read_parquet(project.prepared / "judged.parquet")
    judged[GROUP] = (np.arange(len(judged)) % 8).astype(str)
    judged.to_parquet(project.prepared / "judged.parquet", index=False)
    assert evaluate(project).sentence.endswith("for it rests on 80 labelled test rows (8 of them different).")
    assert "the labelled rows have 8 different contents, 10 are needed" in gate(project).sentence


def test_a_class_of_few_patients_does_not_let_a_useless_challenger_in():
    """Answers that are the same for all rows of a patient, and as often right as a coin."""
    generator, of_class = np.random.default_rng(0), {}
    for few in (2, FEW_GROUPS_OF_A_CLASS):
        kind = np.repeat([0, 1], (18, few))
        rows = np.repeat(np.arange(len(kind)), 8)
        scorer = ClassScorer(kind[rows], 2)
        ahead = []
        for _ in range(200):
            said = np.eye(2)[generator.integers(0, 2, len(kind))[rows]]
            drawn = resample(scorer, {"ssgan": said}, EvaluateParams(resamples=200), rows.astype(str), ranking=False)
            ahead.append((drawn["ssgan"]["balanced_accuracy"] > 0.5).mean() >= 0.975)
        of_class[few] = sum(ahead)
    assert of_class[2] > 20  # so that the limit is needed
    assert of_class[FEW_GROUPS_OF_A_CLASS] <= 10


def test_a_challenger_that_is_shown_to_be_worse_than_its_twin_is_kept_out(ready):
    assert verdicts(gate(ready(good=-1.0)))[NO_WORSE_THAN_TWIN] is False


@pytest.mark.parametrize(
    ("knob", "strict", "lax", "rule"),
    [
        ("worse_than_baseline_by_at_most", 0.0, 1.0, NO_WORSE_THAN_BASELINE),
        ("calibration_error_at_most", 1e-9, 1.0, CALIBRATED),
        ("milliseconds_at_most", 1e-6, 1e6, FAST_ENOUGH),
        ("parity_at_most", 1e-9, 1.0, KERAS_AND_ONNX_AGREE),
    ],
)
def test_every_limit_is_a_knob_that_can_forbid_and_allow(ready, knob, strict, lax, rule):
    project = ready(good=-1.0)
    assert verdicts(rewritten(project, **{knob: strict}))[rule] is False
    assert verdicts(rewritten(project, **{knob: lax}))[rule] is True


def test_a_slice_far_behind_the_whole_keeps_the_challenger_out(ready):
    project = ready()
    set_knob(project.params, "evaluate.slices=[a]")
    evaluation = evaluate(project)
    assert [each.name.count(" to ") for each in evaluation.slices] == [1, 1, 1, 1]
    assert sum(each.rows for each in evaluation.slices) == 80
    assert verdicts(rewritten(project, slice_worse_by_at_most=1.0))[NO_SLICE_WORSE] is True
    decision = rewritten(project, slice_worse_by_at_most=0.0)
    assert verdicts(decision)[NO_SLICE_WORSE] is False
    assert " behind, 0 is allowed" in decision.sentence


def test_rows_that_the_champion_has_learned_from_do_not_judge_it_and_its_folds_speak_for_the_rest(tmp_path):
    project = make_project(tmp_path, folds=3, good=3.0)
    set_knob(project.params, "baselines.trees=5")
    set_knob(project.params, "gate.rows_at_least=5")
    baselines(project)
    evaluate(project)
    champion = crown(project, 1.0)
    ids = read_prepared(project).judged[ROW_ID].to_numpy(str)
    truth = read_prepared(project).truth
    place = project.judged_of(champion.digest)
    place.parent.mkdir(parents=True)
    wrong = np.eye(3)[(truth + 1) % 3]
    np.savez(place, id=ids[:10], answers=wrong[:10], taught=ids[:20])
    theirs, counts = champions_answers(project, read_prepared(project), Artefact.load(project.root / champion.model))
    assert counts.tolist() == [True] * 10 + [False] * 10 + [True] * 10
    np.testing.assert_array_equal(theirs[:10], wrong[:10])
    groups = read_prepared(project).groups[25:]
    np.savez(place, id=ids[:10], answers=wrong[:10], taught=ids[:20], taught_groups=groups)
    _, counts = champions_answers(project, read_prepared(project), Artefact.load(project.root / champion.model))
    assert counts.tolist() == [True] * 10 + [False] * 10 + [True] * 5 + [False] * 5  # new rows of known patients
    assert verdicts(gate(project))[NO_WORSE_THAN_CHAMPION] is True


def case_of(project, prepared, artefact, truth, answers, evaluation=None, name="ssgan"):
    """A case of given answers about rows of given truth."""
    classes = len(prepared.contract.classes)
    rows = pd.DataFrame({GROUP: np.arange(len(truth)).astype(str)})
    prepared = replace(prepared, judged=rows, truth=truth)
    scorer = ClassScorer(truth, classes) if classes else ValueScorer(truth)
    evaluation = evaluation or judge(prepared, scorer, answers, EvaluateParams(resamples=10), {}, {})
    candidate = Candidate(name, artefact, answers)
    return Case(project, prepared, scorer, evaluation, candidate, GateParams(), EvaluateParams(resamples=400))


@pytest.mark.parametrize(("classes", "rows"), [(("a", "b"), 40), ((), 40)])
def test_where_labels_are_random_a_useless_challenger_is_promoted_in_at_most_5_of_100_runs(tmp_path, classes, rows):
    project = make_project(tmp_path, classes=classes)
    prepared, artefact = read_prepared(project), Artefact.load(project.model)
    generator = np.random.default_rng(0)
    promoted, evaluation = 0, None
    for _ in range(200):
        if classes:
            truth = generator.permutation(np.arange(rows) % len(classes))
            ours, twin = (generator.dirichlet(np.ones(len(classes)), rows) for _ in range(2))
            floor = {"majority": np.tile(np.bincount(truth) / rows, (rows, 1))}
        else:
            truth = generator.normal(size=rows)
            ours, twin = (0.3 * generator.normal(size=rows) for _ in range(2))
            floor = {"mean": np.zeros(rows)}
        case = case_of(project, prepared, artefact, truth, {"ssgan": ours, "twin": twin, **floor}, evaluation)
        evaluation = case.evaluation  # the rules asked here read its metric alone
        found = (better_than_guess(case), no_worse_than_twin(case))
        promoted += decide(case.evaluation, found, "digest", None, None).decision == "promote"
    assert promoted <= 10


def test_the_best_of_many_useless_baselines_does_not_get_in_for_being_the_luckiest(tmp_path):
    project = make_project(tmp_path, classes=("a", "b"))
    prepared, artefact = read_prepared(project), Artefact.load(project.model)
    generator, truth = np.random.default_rng(0), np.arange(40) % 2
    promoted, unguarded, evaluation = 0, 0, None
    for _ in range(200):
        others = {f"method_{k}": generator.dirichlet(np.ones(2), len(truth)) for k in range(8)}
        answers = {name: np.full((len(truth), 2), 0.5) for name in ("ssgan", "twin", "majority")} | others
        right = {name: np.mean(said.argmax(axis=1) == truth) for name, said in others.items()}
        best = max(right, key=lambda name: right[name])
        case = case_of(project, prepared, artefact, truth, answers, evaluation, best)
        evaluation = case.evaluation
        rule = better_than_guess(case)
        promoted, unguarded = promoted + rule.passed, unguarded + (rule.value >= case.knobs.confidence)
    assert rule.limit == pytest.approx(1 - 0.025 / 8, abs=1e-6)
    assert promoted <= 10 < 20 < unguarded


@pytest.fixture(scope="module", params=[("red", "green", "blue"), ()], ids=["classes", "values"])
def beaten(request, tmp_path_factory):
    """A judged project whose SSGAN every baseline beats."""
    root = tmp_path_factory.mktemp("beaten") / "project"
    project = make_project(root, folds=3, good=-0.5, classes=request.param, labelled=60)
    for knob in ("baselines.trees=10", "gate.serve=winner", "evaluate.resamples=100"):
        set_knob(project.params, knob)
    baselines(project)
    return project, evaluate(project)


@pytest.mark.parametrize(
    "name", ["random_forest", "boosting", "nearest_neighbours", "stack", "self_training", "linear", "label_spreading"]
)
def test_a_baseline_is_packaged_in_the_same_format_and_answers_as_scikit_learn_does(beaten, name):
    project, _ = beaten
    prepared, trained = read_prepared(project), Artefact.load(project.model)
    if name == "label_spreading" and not prepared.contract.classes:
        pytest.skip("of classes only")
    name = name if name != "linear" else "logistic_regression" if prepared.contract.classes else "ridge"
    served, _ = package_baseline(project, prepared, name, trained, stored_answers(project, prepared)[0][name])
    assert RunRecord.read(project.winner / "run.json").parity < 1e-4
    said, theirs = served.predict_encoded(prepared.x), trained.predict_encoded(prepared.x)
    np.testing.assert_array_equal(said.fake_probability, theirs.fake_probability)
    known = prepared.labelled
    if prepared.contract.classes:
        right = said.probabilities[known].argmax(axis=1) == prepared.y[known]
        assert right.mean() > 0.8
        assert said.sets is not None
    else:
        assert np.abs(said.answer[known] - prepared.y[known]).mean() < 5
        assert said.low is not None


def test_the_winner_goes_into_service_where_the_user_wants_the_best(beaten):
    project, evaluation = beaten
    best = best_baseline(evaluation)
    decision = gate(project)
    assert (decision.entrant, decision.decision) == (best.name, "promote")
    assert decision.challenger == Artefact.load(project.winner).digest
    with np.load(project.judged_of(decision.challenger)) as kept, np.load(project.judged) as ours:
        assert kept["id"].tolist() == ours["id"].tolist()
        own = stored_answers(project, read_prepared(project))[0][best.name]
        apart = np.abs(kept["answers"] - own).max()
        assert apart < 1e-9 if own.ndim == 1 else (kept["answers"].argmax(axis=1) == own.argmax(axis=1)).all()
        assert not np.allclose(kept["answers"], ours["answers"])
    assert decision.sentence.startswith(f"Promote {title(best.name)}, the winner,")


def test_a_winner_is_calibrated_under_a_holdout_too(tmp_path):
    project = make_project(tmp_path / "project", good=-0.5, labelled=60)
    for knob in ("baselines.trees=10", "gate.serve=winner", "evaluate.resamples=100"):
        set_knob(project.params, knob)
    baselines(project)
    evaluate(project)
    prepared, trained = read_prepared(project), Artefact.load(project.model)
    assert not prepared.crossfit
    prepared = replace(prepared, fold=np.where(prepared.labelled, np.arange(len(prepared.y)) % 5, -1))
    own = stored_answers(project, prepared)[0]["random_forest"]
    served, said = package_baseline(project, prepared, "random_forest", trained, own)
    assert served.calibration.rows == prepared.labelled.sum()
    np.testing.assert_array_equal(said, served.predict_columns(prepared.judged_columns()).probabilities)
    assert served.predict_encoded(prepared.x).sets is not None


def test_a_winner_that_cannot_be_packaged_says_what_to_do(beaten):
    project, _ = beaten
    prepared, trained = read_prepared(project), Artefact.load(project.model)
    odd = "semi_supervised.LabelPropagation" if prepared.contract.classes else "kernel_ridge.KernelRidge"
    set_knob(project.params, f"baselines.more={{odd: sklearn.{odd}}}")
    answers = stored_answers(project, prepared)[0]["random_forest"]
    with pytest.raises(SsganError, match=r"cannot be written as ONNX .* set gate\.serve to ssgan"):
        package_baseline(project, prepared, "odd", trained, answers)


@pytest.fixture(scope="module")
def small_projects(tmp_path_factory):
    """Projects whose folds judge, by their number of classes and whether their rows are whole numbers, made once."""
    known = {}

    def get(count, whole=False):
        if (count, whole) not in known:
            root, classes = tmp_path_factory.mktemp("small") / "project", ("red", "green", "blue")[:count]
            project = make_project(root, folds=3, classes=classes, labelled=60)
            if whole:
                contract = read_contract(project.contract)
                frames = (make_frame(contract, 120, 60, seed=0), make_frame(contract, 90, 80, seed=1))
                write_prepared(project, contract, *(frame.round({"a": 0, "b": 0}) for frame in frames), folds=3)
                write_model(project, project.model, 3.0)
            known[count, whole] = project
        return known[count, whole]

    return get


def package_alone(project, name, estimator=None):
    """A baseline packaged without the stages before; it is calibrated as if it had known nothing."""
    if estimator is not None:
        set_knob(project.params, f"baselines.more={{{name}: {estimator}}}")
    prepared, trained = read_prepared(project), Artefact.load(project.model)
    classes = len(prepared.contract.classes)
    fair = np.full((len(prepared.truth), classes), 1 / classes) if classes else np.zeros(len(prepared.truth))
    return package_baseline(project, prepared, name, trained, fair)[0]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.svm.SVC",
        "sklearn.svm.LinearSVC",
        "sklearn.linear_model.RidgeClassifier",
        "sklearn.linear_model.SGDClassifier",
    ],
)
def test_a_winner_without_probabilities_is_as_sure_as_the_one_that_was_judged(small_projects, estimator, count):
    project = small_projects(count)
    served = package_alone(project, "sure", estimator)
    prepared, knobs = read_prepared(project), read_params(project.params).baselines
    known, rows = prepared.labelled, prepared.x.astype(float)
    task = Task(rows, prepared.y, known, prepared.fold, rows, count, knobs)
    judged = predict(methods(prepared.contract, knobs.more)["sure"](task), task)
    assert set(judged.ravel()) == {0.0, 1.0}
    (logits,) = open_session(served.folder / "model.onnx").run(["task"], {"x": prepared.x})
    np.testing.assert_allclose(np.exp(logits), judged, atol=1e-6)
    assert RunRecord.read(served.folder / "run.json").parity < 1e-6


def smooth():
    """A Gaussian process; ONNX calls its answer something else than other regressions'."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    return GaussianProcessRegressor(RBF(1.0, "fixed"), alpha=0.1, normalize_y=True)


def test_a_winner_whose_graph_names_its_values_otherwise_is_packaged(small_projects):
    served = package_alone(small_projects(0), "process", f"{__name__}.smooth")
    assert RunRecord.read(served.folder / "run.json").parity < 1e-4


def test_a_winner_that_is_converted_wrongly_is_refused_with_how_far_it_is_off(small_projects):
    project = small_projects(2)
    before = sorted(project.winner.parent.rglob("*"))
    with pytest.raises(SsganError) as refused:
        package_alone(project, "lda", "sklearn.discriminant_analysis.LinearDiscriminantAnalysis")
    said = str(refused.value)
    assert re.fullmatch(
        r"lda has won, but as ONNX it answers otherwise than it was judged \(\d+ of 122 training rows are off by more "
        r"than 0\.0001, the worst by 0\.\d+ in probability\); set gate\.serve to ssgan, or take it out of "
        r"baselines\.more",
        said,
    )
    assert sorted(project.winner.parent.rglob("*")) == before  # nothing half made is left


@pytest.mark.parametrize(
    ("name", "count"), [("nearest_neighbours", 3), ("nearest_neighbours", 0), ("label_spreading", 3)]
)
def test_a_winner_whose_nearest_rows_are_a_matter_of_chance_is_refused(small_projects, name, count):
    with pytest.raises(SsganError) as refused:
        package_alone(small_projects(count, whole=True), name)
    said = str(refused.value)
    assert "where rows lie equally far away, other neighbours are taken" in said
    assert said.endswith("; set gate.serve to ssgan")


def test_a_winner_that_asks_for_no_neighbours_is_packaged_where_rows_are_whole_numbers(small_projects):
    served = package_alone(small_projects(3, whole=True), "logistic_regression")
    assert RunRecord.read(served.folder / "run.json").parity < 1e-4


def test_a_winner_whose_graph_the_runtime_does_not_take_or_run_is_refused(small_projects, monkeypatch):
    monkeypatch.setattr(winner_graph, "_answers_surely", lambda _: False)  # decision scores in the place of labels
    with pytest.raises(
        SsganError, match=r"odd has won, but as ONNX it does not run \(.*\); set gate\.serve to ssgan, or"
    ):
        package_alone(small_projects(2), "odd", "sklearn.linear_model.RidgeClassifier")
    with pytest.raises(SsganError, match=r"odd has won, but ONNX Runtime does not take its graph; set gate\.serve to"):
        package_alone(small_projects(3), "odd", "sklearn.svm.SVC")
