"""The stage `evaluate`: scores, the sentence, the files it leaves."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from judged import make_frame, make_project, name_a_group, write_folds, write_model, write_prepared

from ssgan.config import CalibrateParams, EvaluateParams, set_knob
from ssgan.contract import GROUP, Contract, read_contract
from ssgan.errors import ArtefactError, DataError, ParamsError
from ssgan.judge import words
from ssgan.judge.answers import answers_of, calibrated, gather
from ssgan.judge.baselines import baselines
from ssgan.judge.calibrate import read_folds
from ssgan.judge.evaluate import evaluate, judge, make_scorer
from ssgan.judge.prepared import read_prepared
from ssgan.learn.artefact import Artefact, write_checksums
from ssgan.records import Calibration, Evaluation


@pytest.fixture(scope="module", params=["classification", "regression"])
def judged(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "project"
    project = make_project(root, **({} if request.param == "classification" else {"classes": ()}))
    set_knob(project.params, "baselines.trees=10")
    set_knob(project.params, "evaluate.resamples=200")
    baselines(project)
    return project, evaluate(project)


def test_the_record_on_disk_is_the_one_returned(judged):
    project, evaluation = judged
    assert Evaluation.read(project.evaluation) == evaluation
    assert [each.name for each in evaluation.scores[:2]] == ["ssgan", "twin"]
    assert [each.baseline for each in evaluation.differences] == [each.name for each in evaluation.scores[1:]]


def test_judging_again_gives_the_same_bytes(judged):
    project, _ = judged
    files = [project.evaluation, project.reports / "scores.csv", project.report]
    first = [file.read_bytes() for file in files]
    evaluate(project)
    assert [file.read_bytes() for file in files] == first


def test_differences_are_positive_where_the_ssgan_is_better(judged):
    _, evaluation = judged
    ours = evaluation.scores[0].metrics[evaluation.metric].value
    sign = 1 if evaluation.higher_is_better else -1
    for each in evaluation.differences:
        theirs = evaluation.score(each.baseline).metrics[evaluation.metric].value
        assert each.value == pytest.approx(sign * (ours - theirs))
    floor = next(each for each in evaluation.differences if each.baseline in words.FLOORS)
    assert floor.low > 0
    assert floor.win_probability == 1.0


def test_the_table_of_scores_holds_every_metric_of_every_model(judged):
    project, evaluation = judged
    with (project.reports / "scores.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == sum(len(each.metrics) for each in evaluation.scores)
    for row in rows:
        score = evaluation.score(row["model"]).metrics[row["metric"]]
        assert [float(row[name]) for name in ("value", "low", "high")] == [score.value, score.low, score.high]


def test_the_headline_has_the_numbers_a_metrics_diff_should_show(judged):
    project, evaluation = judged
    headline = json.loads(project.evaluation.read_text())["headline"]
    assert headline[f"ssgan_{evaluation.metric}"] == evaluation.scores[0].metrics[evaluation.metric].value
    assert headline["gain_over_twin"] == evaluation.differences[0].value


def test_fake_probability_is_told_for_training_and_test_rows(judged):
    _, evaluation = judged
    assert set(evaluation.fake_probability) == {"labelled", "unlabelled", "test", "generated", "quarantined"}
    assert all(0 < value < 1 for value in evaluation.fake_probability.values())


def test_the_sentence_names_the_twin_the_winner_and_the_rows(judged):
    _, evaluation = judged
    best = words.best_of(evaluation, evaluation.scores)
    assert "supervised twin" in evaluation.sentence
    assert f"{words.title(best.name)}" in evaluation.sentence
    assert "80 labelled test rows" in evaluation.sentence
    assert evaluation.sentence.count("\n") == 0


def judge_answers(project, ours, twin, other, **knobs):
    """An evaluation of given answers in place of the models' own."""
    prepared = read_prepared(project)
    entrants = {"ssgan": ours, "twin": twin, "random_forest": other}
    return judge(prepared, make_scorer(prepared), entrants, EvaluateParams(resamples=200, **knobs), {}, {})


def guesses(truth, errors):
    """Confident probabilities with the given number of errors, spread over the classes."""
    guess = truth.copy()
    guess[:errors] = (guess[:errors] + 1) % 3
    return np.eye(3)[guess] * 0.97 + 0.01


@pytest.fixture
def toy(tmp_path):
    project = make_project(tmp_path, test=130)
    set_knob(project.params, "baselines.trees=5")
    return project


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            (0, 30, 60),
            ("The unlabelled rows helped:", "best other method on the labels alone, random forest", "all: the SSGAN"),
        ),
        (
            (60, 30, 0),
            ("The unlabelled rows did harm:", "and the best of all, random forest, has 1.000"),
        ),
        ((10, 60, 10), ("helped the network, but the labels alone do as well with another method:", "(level)")),
        ((10, 60, 11), ("helped the network; that another method does not do as well", "the SSGAN is 0.0083 better")),
        ((20, 21, 60), ("seem to have helped, though these rows cannot prove it:",)),
        (
            (20, 21, 10),
            ("seem to have helped the network, though these rows cannot prove it, and the labels alone do as well",),
        ),
        ((21, 20, 60), ("seem to have done harm", "best of all, and ahead of the SSGAN: supervised twin")),
        ((50, 20, 60), ("did harm", "best of all, and better than the SSGAN: supervised twin")),
        ((9, 9, 9), ("made no difference", "level; ", "none is better, and 1 of the others is level with it")),
    ],
)
def test_the_sentence_says_what_the_numbers_say(toy, errors, said):
    truth = read_prepared(toy).truth
    evaluation = judge_answers(toy, *(guesses(truth, count) for count in errors))
    for words_said in said:
        assert words_said in evaluation.sentence


def test_where_the_guess_is_as_good_the_sentence_says_so(toy):
    truth = read_prepared(toy).truth
    prepared, answers = read_prepared(toy), {"ssgan": 10, "twin": 60, "majority": 10}
    entrants = {name: guesses(truth, errors) for name, errors in answers.items()}
    found = judge(prepared, make_scorer(prepared), entrants, EvaluateParams(resamples=200), {}, {})
    assert "helped the network, but a guess that does not look at the row does as well:" in found.sentence


def test_few_test_rows_make_a_weak_verdict_that_says_how_few(tmp_path):
    project = make_project(tmp_path, test=25)
    truth = read_prepared(project).truth
    evaluation = judge_answers(project, *(guesses(truth, count) for count in (0, 1, 2)))
    assert "the verdict is weak, for it rests on 15 labelled test rows (only 5 of red" in evaluation.sentence


def regroup(project, groups):
    """Gives the judged rows groups: a function of how many rows there are."""
    name_a_group(project)
    judged = pd.read_parquet(project.prepared / "judged.parquet")
    judged[GROUP] = np.asarray(groups(len(judged))).astype(str)
    judged.to_parquet(project.prepared / "judged.parquet", index=False)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (3, "the verdict is weak, for it rests on 80 labelled test rows of 3 groups."),
        (10, "judged on 80 labelled test rows of 10 groups."),
        (80, "judged on 80 labelled test rows."),  # each stands alone
    ],
)
def test_rows_of_few_groups_make_a_weak_verdict_that_says_how_few(tmp_path, groups, said):
    project = make_project(tmp_path)
    regroup(project, lambda rows: np.arange(rows) % groups)
    truth = read_prepared(project).truth
    evaluation = judge_answers(project, *(guesses(truth, count) for count in (0, 1, 2)))
    assert evaluation.test_groups == (groups if groups < 80 else 0)
    assert evaluation.sentence.endswith(said)


@pytest.mark.parametrize(("rows", "of"), [(80, " of 1 group."), (3, " (only 1 of red, 1 of green, 1 of blue).")])
def test_where_every_resample_is_the_same_the_sentence_says_that_nothing_can_be_said(tmp_path, rows, of):
    project = make_project(tmp_path)
    _, kept = np.unique(read_prepared(project).truth, return_index=True)
    kept = kept if rows == 3 else np.arange(rows)
    place = project.prepared / "judged.parquet"
    pd.read_parquet(place).iloc[kept].to_parquet(place, index=False)
    if rows == 80:
        regroup(project, np.zeros)
    truth = read_prepared(project).truth
    evaluation = judge_answers(project, *(guesses(truth, count) for count in (0, rows, rows)))
    assert evaluation.sentence.startswith(
        "The unlabelled rows may have helped or done harm, of which nothing can be said"
    )
    assert " interval of the gain" not in evaluation.sentence
    assert evaluation.sentence.endswith(f"there is no verdict, for it would rest on {rows} labelled test rows{of}")


def test_a_class_of_few_groups_makes_a_weak_verdict_however_many_groups_there_are(tmp_path):
    project = make_project(tmp_path)
    truth = read_prepared(project).truth
    regroup(project, lambda rows: np.where(truth == 2, np.arange(rows) % 2, np.arange(rows)))
    evaluation = judge_answers(project, *(guesses(truth, count) for count in (0, 1, 2)))
    assert evaluation.test_groups > 10
    said = f"it rests on 80 labelled test rows of {evaluation.test_groups} groups (only 2 groups with blue)."
    assert evaluation.sentence.endswith(said)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.000312, "0.00031"), (0.008, "0.0080"), (-0.0043, "-0.0043"), (0.0, "0.000"), (-0.0, "0.000"), (0.0499, "0.050"),
     (0.9996, "1.000"), (1.234, "1.23"), (54.06, "54.1"), (999.6, "1000"), (1234.0, "1234"), (2.2e-16, "0.000")],
)  # fmt: skip
def test_a_number_keeps_the_digits_that_matter(value, shown):
    assert words.number(value) == shown


def test_an_interval_that_begins_at_nothing_does_not_seem_to_lie_above_it():
    assert [words.signed(value) for value in (-0.05, -0.0, 0.0, 2.2e-16, 0.05)] == ["-0.050", *3 * ["0.000"], "+0.050"]


def test_without_unlabelled_rows_the_sentence_claims_nothing_about_them(tmp_path):
    project = make_project(tmp_path, train=40, labelled=40)
    truth = read_prepared(project).truth
    evaluation = judge_answers(project, *(guesses(truth, count) for count in (0, 20, 40)))
    assert evaluation.sentence.startswith("The terms beyond the labels (no training row was unlabelled) helped")


def test_a_class_absent_from_the_test_rows_does_not_stop_the_evaluation(toy):
    contract = read_contract(toy.contract)
    test = make_frame(contract, 60, 60, seed=1)
    write_prepared(toy, contract, make_frame(contract, 60, 30, seed=0), test[test["y"] != "blue"])
    for folder in (toy.model, toy.twin):
        write_model(toy, folder, 2.0)
    baselines(toy)
    evaluation = evaluate(toy)
    assert evaluation.test_rows_per_class == {"red": 20, "green": 20, "blue": 0}
    assert "blue" in toy.report.read_text()


def test_a_baseline_left_out_is_told_in_record_and_report(tmp_path):
    project = make_project(tmp_path, train=40, labelled=40)
    set_knob(project.params, "baselines.trees=10")
    baselines(project)
    evaluation = evaluate(project)
    assert evaluation.left_out == {"self_training": "every training row has a label, so there is none to predict"}
    assert "there is none to predict" in project.report.read_text()


def test_baselines_that_learned_from_a_part_of_the_rows_are_named_in_record_and_report(toy):
    set_knob(toy.params, "baselines.trees=10")
    set_knob(toy.params, "baselines.semi_supervised_rows_at_most=70")
    baselines(toy)
    assert evaluate(toy).capped == {"self_training": 70, "label_spreading": 70}
    assert "learned from 70 training rows at most, the SSGAN from all" in toy.report.read_text()


def test_a_metric_of_the_other_task_is_the_users_mistake(toy):
    set_knob(toy.params, "evaluate.metric=rmse")
    with pytest.raises(ParamsError, match="of a classification is one of balanced_accuracy"):
        evaluate(toy)


def test_nothing_prepared_is_said_in_a_sentence(toy):
    shutil.rmtree(toy.prepared)
    with pytest.raises(DataError, match="run `ssgan prepare` first"):
        evaluate(toy)


def test_a_damaged_model_is_not_judged(toy):
    baselines(toy)
    (toy.model / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ArtefactError):
        evaluate(toy)


@pytest.fixture(scope="module", params=["classification", "regression"])
def crossfitted(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(f"crossfit-{request.param}") / "project"
    classes = {} if request.param == "classification" else {"classes": ()}
    project = make_project(root, folds=3, labelled=60, **classes)
    write_folds(project, {"ssgan": 3.0, "twin": 2.0, "ablation": 2.5}, curve=True)
    if not classes:
        shares = {"em": {"red": 0.6, "green": 0.3, "blue": 0.1}}
        Calibration(rows=60, coverage=0.9, shares=shares).write(project.model / "calibration.json")
        write_checksums(project.model)
    for knob in ("baselines.trees=10", "evaluate.resamples=100", "evaluate.curve=[0.5]", "evaluate.slices=[a]"):
        set_knob(project.params, knob)
    baselines(project)
    return project, evaluate(project)


def test_with_crossfit_every_labelled_row_judges_and_the_ablation_is_an_entrant(crossfitted):
    _, evaluation = crossfitted
    assert (evaluation.method, evaluation.folds, evaluation.test_rows) == ("crossfit", 3, 60)
    assert [each.name for each in evaluation.scores[:3]] == ["ssgan", "twin", "ablation"]
    assert "60 labelled rows, each answered by a model that had not seen its label" in evaluation.sentence
    assert words.best_baseline(evaluation).name not in ("ssgan", "twin", "ablation")


def test_the_curve_ends_at_the_scores_themselves(crossfitted):
    _, evaluation = crossfitted
    counts = sorted({each.labels for each in evaluation.curve})
    assert counts == [30, 40]
    for each in evaluation.curve:
        if each.labels == 40:
            assert each.score == evaluation.score(each.model).metrics[evaluation.metric]
    assert {each.model for each in evaluation.curve} >= {"ssgan", "twin", "random_forest"}


def test_the_check_of_calibration_says_what_was_asked_and_found(crossfitted):
    _, evaluation = crossfitted
    check = evaluation.calibration
    assert check.asked == 0.9
    assert 0.75 < check.covered.value <= 1
    if evaluation.task == "classification":
        assert set(check.after) == {"log_loss", "brier", "ece"}
        assert sum(each.rows for each in check.bins) == 60
        assert set(check.covered_per_class) == {"red", "green", "blue"}
        assert set(evaluation.prior_effect) == {"balanced", "labelled", "unlabelled"}
        assert set(evaluation.prior_effect_unlabelled) == set(evaluation.prior_effect)
        assert set(evaluation.per_class["red"]) == {"recall", "auroc", "auprc"}
    assert check.size.value > 0


@pytest.mark.parametrize("folds", [0, 3], ids=["holdout", "crossfit"])
def test_intervals_are_judged_with_the_ends_that_are_served_and_lose_no_true_value(tmp_path, folds):
    project = make_project(tmp_path, classes=(), labelled=60, folds=folds)
    write_folds(project, {"ssgan": 5.0, "twin": 2.0})  # answers too far apart, and so wide intervals
    truth = read_prepared(project).truth

    def found(**label):
        for folder in (project.prepared, project.model):
            about = json.loads((folder / "schema.json").read_text())
            (folder / "schema.json").write_text(json.dumps(about | {"label": about["label"] | label}))
        Calibration(rows=60, coverage=0.9, half_width=20.0).write(project.model / "calibration.json")
        write_checksums(project.model)
        return gather(project, read_prepared(project), CalibrateParams()).ours

    free, bounded = found(), found(min=float(truth.min()), max=float(truth.max()))
    assert free.low.min() < truth.min() == bounded.low.min()
    assert free.high.max() > truth.max() == bounded.high.max()
    held, still_held = ((each.low <= truth) & (truth <= each.high) for each in (free, bounded))
    assert (still_held >= held).all()  # one beyond the range as a whole may win the end itself
    assert bounded.answer.tolist() == free.answer.tolist()


def test_strangers_and_slices_are_scored(crossfitted):
    _, evaluation = crossfitted
    assert set(evaluation.detection) == {"quarantined", "shifted", "generated"}
    assert evaluation.detection["shifted"].low <= evaluation.detection["shifted"].value
    assert sum(each.rows for each in evaluation.slices) == 60


def test_a_row_has_no_say_in_how_its_own_answer_is_calibrated(crossfitted):
    project, _ = crossfitted
    prepared, artefact = read_prepared(project), Artefact.load(project.model)
    folds = read_folds(project)
    held = folds["fold"] == 1
    other = prepared.truth.copy()
    other[held] = other[held][::-1]
    outputs = folds["ssgan_task"], folds["ssgan_realness"]
    first, second = (
        calibrated(artefact, outputs, truth, folds["fold"], folds["ssgan_pool"], CalibrateParams())
        for truth in (prepared.truth, other)
    )
    np.testing.assert_array_equal(answers_of(first)[held], answers_of(second)[held])
    assert not np.array_equal(other, prepared.truth)


def test_labels_of_judged_rows_change_scores_and_no_answer(judged):
    project, _ = judged
    prepared = read_prepared(project)
    turned = replace(prepared, truth=prepared.truth[::-1].copy())
    first, second = (gather(project, each, CalibrateParams()) for each in (prepared, turned))
    np.testing.assert_array_equal(answers_of(first.ours), answers_of(second.ours))
    np.testing.assert_array_equal(first.ours.unlike, second.ours.unlike)


def test_a_slice_of_no_column_is_the_users_mistake(toy):
    set_knob(toy.params, "evaluate.slices=[age]")
    baselines(toy)
    with pytest.raises(ParamsError, match="names 'age', which is no column of the contract; slices are by a, b"):
        evaluate(toy)


def test_a_slice_of_an_ignored_column_says_that_it_is_not_kept(toy):
    written = toy.prepared / "schema.json"
    contract = Contract.model_validate_json(written.read_text(encoding="utf-8"))
    columns = {**contract.model_dump()["columns"], "town": {"type": "ignore"}}
    written.write_text(json.dumps({**contract.model_dump(mode="json"), "columns": columns}), encoding="utf-8")
    set_knob(toy.params, "evaluate.slices=[town]")
    baselines(toy)
    with pytest.raises(ParamsError, match="names 'town', which is ignored by the contract and so not kept"):
        evaluate(toy)
