"""The whole report, with everything an evaluation can hold: its order, its files, its card, and the gate's part."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from judged import make_project, write_model

from ssgan import settings
from ssgan.config import set_knob
from ssgan.judge import card, page, plots_training, report, report_training
from ssgan.judge.baselines import baselines
from ssgan.judge.document import Cell, Document, Section, Table, Text
from ssgan.judge.evaluate import evaluate
from ssgan.judge.generated import compare_columns, compare_correlations
from ssgan.judge.importance import importance
from ssgan.learn.artefact import Artefact
from ssgan.learn.encode import Encoder, ImagePart
from ssgan.records import (
    CalibrationCheck,
    CurvePoint,
    GateDecision,
    GateRule,
    Reliability,
    RunRecord,
    Score,
    SliceScore,
)

ORDER = {
    "classification": (
        "May it go into service?",
        "The model against the baselines",
        "How many labels does it take?",
        "May one believe its certainty?",
        "What is mixed up",
        "Probability of being fake",
        "What the generator learned",
        "How the training went",
        "What the discriminator sees, and what to label next",
        "Which columns matter",
        "By slice",
        "Data and code",
        "What it cannot know",
    )
}
ORDER["regression"] = tuple(each.replace("What is mixed up", "Answered and true") for each in ORDER["classification"])
FIGURES = {
    "scores",
    "differences",
    "curve",
    "fake",
    "columns",
    "correlations",
    "history",
    "map",
    "importance",
    "slices",
}
DECISION = GateDecision(
    decision="keep",
    challenger="a" * 64,
    champion=None,
    rules=(GateRule(rule="better than the guess", value=0.31, limit=0.4, passed=False, reason="by a | hair"),),
    sentence="Do not promote, because it is not better: accuracy 0.9.",
)


def around(value):
    return Score(value=value, low=value - 0.1, high=value + 0.1)


def whole(found):
    """Findings whose evaluation has every part that another stage may leave out."""
    evaluation, metric = found.evaluation, found.evaluation.metric
    classes = found.prepared.contract.classes
    bins = (Reliability(sure=0.6, right=0.5, rows=9), Reliability(sure=0.9, right=0.95, rows=71))
    losses = {"log_loss": 0.4, "brier": 0.2} if classes else {}
    check = CalibrationCheck(
        before=losses, after=losses, bins=bins if classes else (), asked=0.9, covered=around(0.9), size=around(1.2)
    )
    evaluation = evaluation.model_copy(
        update={
            "calibration": check,
            "curve": tuple(CurvePoint(model="ssgan", labels=n, score=around(0.5)) for n in (5, 30)),
            "importance": importance(found.artefact, found.rows, found.truth, metric, seed=0),
            "slices": (SliceScore(column="a", name="<b>low", rows=30, metrics={metric: around(0.8)}),),
            "detection": {"generated": around(0.7)},
            "per_class": {name: {"recall": around(0.9)} for name in classes},
            "prior_effect": {"balanced": {"accuracy": 0.9}},
        }
    )
    return dataclasses.replace(found, evaluation=evaluation)


@pytest.fixture(scope="module", params=["classification", "regression"])
def written(request, tmp_path_factory):
    """Findings, and a project with the report about them."""
    project = make_project(
        tmp_path_factory.mktemp(request.param) / "project", **({"classes": ()} if request.param == "regression" else {})
    )
    set_knob(project.params, "baselines.trees=5")
    set_knob(project.params, "evaluate.resamples=50")
    baselines(project)
    kept, write = [], report.write_report
    with pytest.MonkeyPatch.context() as patch:  # looks on while evaluate hands over what it found
        patch.setattr(report, "write_report", lambda where, found: kept.append(found) or write(where, found))
        evaluate(project)
    write(project, whole(kept[0]))
    return request.param, project, whole(kept[0])


def test_sections_come_in_their_order(written):
    task, project, _ = written
    assert tuple(re.findall("<h2>(.*?)</h2>", project.report.read_text(encoding="utf-8"))) == ORDER[task]
    assert tuple(re.findall("^## (.*)$", project.card.read_text(encoding="utf-8"), re.MULTILINE)) == ORDER[task]


def test_every_figure_has_its_picture_and_its_data_beside_it(written):
    task, project, _ = written
    drawn = {path.stem for path in project.figures.glob("*.svg")}
    assert drawn == FIGURES | ({"calibration", "confusion"} if task == "classification" else {"residuals"})
    for name in drawn:
        ET.fromstring((project.figures / f"{name}.svg").read_text(encoding="utf-8"))
        with (project.figures / f"{name}.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
        assert len(rows) > 1, name
        assert {len(row) for row in rows} == {len(rows[0])}, name


def test_the_same_findings_give_the_same_bytes(written):
    _, project, found = written
    before = {path: path.read_bytes() for path in (project.report, project.card, *project.figures.iterdir())}
    report.write_report(project, found)
    assert {path: path.read_bytes() for path in before} == before
    assert set(project.figures.iterdir()) <= set(before)


def test_hugging_face_reads_the_card(written):
    task, project, found = written
    read = ModelCard.load(project.card)
    assert read.data.pipeline_tag == f"tabular-{task}"
    results = {each.metric_type: each.metric_value for each in read.data.eval_results}
    assert results.keys() == found.evaluation.scores[0].metrics.keys()
    metric = found.evaluation.metric
    assert results[metric] == pytest.approx(found.evaluation.scores[0].metrics[metric].value, abs=1e-6)
    assert found.evaluation.sentence.split(":")[0] in read.text


def test_every_place_that_the_card_names_is_there(written):
    _, project, _ = written
    named = re.findall(r"\]\((figures/[^)]+)\)", project.card.read_text(encoding="utf-8"))
    assert len(named) >= 20
    assert all((project.reports / each).is_file() for each in named)


def test_the_gate_adds_its_decision_without_touching_the_report(written):
    _, project, _ = written
    before = project.report.read_bytes(), project.card.read_bytes()
    report.add_decision(project, DECISION)
    assert (project.report.read_bytes(), project.card.read_bytes()) == before
    shown, said = (path.read_text(encoding="utf-8") for path in (project.gate_page, project.gate_card))
    for text in (shown, said):
        assert "Do not promote, because it is not better" in text
        assert "✗ fails" in text
        assert "has not decided yet" not in text
        assert text.index("because it is not better") < text.index("May it go into service?")  # in the opening
    assert "has not decided yet" in before[0].decode()


def test_a_second_decision_takes_the_place_of_the_first(written):
    _, project, _ = written
    report.add_decision(project, DECISION)
    report.add_decision(project, DECISION.model_copy(update={"sentence": "Promote: better now."}))
    for path in (project.gate_page, project.gate_card):
        text = path.read_text(encoding="utf-8")
        assert "better now" in text
        assert "it is not better" not in text


def test_words_of_the_data_are_no_marks_of_page_or_card():
    rows = ((Cell("a|b", "<small>"), "[x](y) *z* `c` _d_"),)
    made = Document("t", "k", "s: w", (), (Section("# h", (Text("<script>"), Table(("|", "h"), rows))),))
    text = "".join(card._section(each) for each in made.sections)
    assert "a\\|b" in text
    assert "\\[x\\](y)" in text
    assert "<script>" not in page.page(made)


def test_a_column_that_the_model_does_not_look_at_does_not_matter(written):
    task, _, found = written
    losses = {each.column: each.loss for each in found.evaluation.importance}
    assert losses["a"].value > 0
    assert losses["a"].low <= losses["a"].value <= losses["a"].high
    if task == "regression":  # the toy's weight of b is 0
        assert losses["b"].value == 0


def test_importance_is_scikit_learns(tmp_path):
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import root_mean_squared_error

    project = make_project(tmp_path, classes=())
    artefact = Artefact.load(project.model)
    rows = pd.read_parquet(project.prepared / "test.parquet")
    rows = rows[rows["y"].notna()]
    truth = rows["y"].to_numpy()

    class Model:
        def fit(self, X, y):
            return self

    def score(_, X, y):
        return -root_mean_squared_error(y, artefact.predict_columns({n: X[n].to_numpy() for n in "ab"}).answer)

    theirs = permutation_importance(Model(), rows[["a", "b"]], truth, scoring=score, n_repeats=10, random_state=0)
    ours = {each.column: each.loss.value for each in importance(artefact, rows, truth, "rmse", seed=0)}
    assert [ours["a"], ours["b"]] == pytest.approx(theirs.importances_mean)


def test_shuffled_columns_keep_each_column_and_lose_what_belongs_together(written):
    _, project, _ = written
    encoder = Encoder.from_json((project.prepared / "encoder.json").read_text(encoding="utf-8"))
    real = np.random.default_rng(0).normal(size=(400, 1)).repeat(2, axis=1).astype(np.float32)
    fake = np.random.default_rng(1).permuted(real, axis=0)
    assert max(each.distance for each in compare_columns(encoder, real, fake)) == 0
    change = compare_correlations(encoder, real, fake)
    assert change.apart > 0.8
    assert change.chance < 1e-6


def test_images_are_shown_as_they_are():
    encoder = Encoder(parts=(ImagePart(name="image", height=8, width=8, channels=1),))
    images = np.random.default_rng(0).uniform(-1, 1, (60, 8, 8, 1)).astype(np.float32)
    run = RunRecord.model_construct(fakes="generator")
    section = report_training.generated(run, encoder, images, images[::-1])
    (figure,) = [block for block in section.blocks if hasattr(block, "svg")]
    assert figure.svg.count("data:image/png;base64,") == 2
    assert "48 real images and 48 fake ones" in figure.alt


def test_where_there_are_no_fakes_the_section_says_why():
    run = RunRecord.model_construct(fakes="none")
    section = report_training.generated(run, Encoder(parts=()), np.zeros((3, 2)), None)
    assert "no real/fake term" in section.blocks[0].text


def test_twelve_classes_have_twelve_looks():
    looks = {(plots_training.MARKERS[(k // 7 + k) % 7], plots_training.CYCLE[k % 7]) for k in range(12)}
    assert len(looks) == 12


def run(*command, where):
    done = subprocess.run(command, cwd=where, env=settings.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dvc_shows_what_changed_in_metrics_and_plots(tmp_path):
    project = make_project(tmp_path / "project")
    set_knob(project.params, "baselines.trees=5")
    set_knob(project.params, "evaluate.resamples=50")
    baselines(project)
    evaluate(project)
    run("git", "init", "--quiet", where=project.root)
    run("dvc", "init", "--quiet", where=project.root)
    run("git", "add", "--all", where=project.root)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "one", where=project.root)
    write_model(project, project.model, good=0.3)
    evaluate(project)
    changed = json.loads(run("dvc", "metrics", "diff", "--json", where=project.root))
    headline = changed["reports/evaluation.json"]
    assert headline["headline.ssgan_log_loss"]["diff"] > 0
    run("dvc", "plots", "diff", "HEAD", "--out", tmp_path / "plots", where=project.root)
    shown = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    assert shown.count("vega-embed") >= 1
    for title in ("The deciding metric", "What is mixed up", "Losses over the steps"):
        assert title in shown
    assert '"rev": "HEAD"' in shown
    assert '"rev": "workspace"' in shown
