"""The report: one file, nothing from a network, well formed, every figure described."""

from __future__ import annotations

import html
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from judged import make_project
from matplotlib.figure import Figure
from matplotlib.text import Text as Drawn
from matplotlib.transforms import Bbox

from ssgan.config import set_knob
from ssgan.judge import (
    document,
    plots,
    plots_rows,
    plots_training,
    report_facts,
    report_rows,
    report_scores,
    style,
    words,
)
from ssgan.judge.baselines import baselines
from ssgan.judge.document import Table, Text
from ssgan.judge.evaluate import evaluate
from ssgan.judge.feature_map import FeatureMap
from ssgan.judge.generated import Compared
from ssgan.judge.page import page
from ssgan.judge.prepared import read_prepared
from ssgan.judge.report import read_history
from ssgan.learn.artefact import Artefact
from ssgan.records import Calibration, CalibrationCheck, Evaluation, GateDecision, Score

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects what is asked about and checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src"):
                self.links.append(value)
            if name == "aria-label":
                self.labels.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_data(self, data):
        self.said += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=["classification", "regression"])
def report(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "project"
    project = make_project(root, **({} if request.param == "classification" else {"classes": ()}))
    set_knob(project.params, "baselines.trees=5")
    set_knob(project.params, "evaluate.resamples=50")
    baselines(project)
    return evaluate(project), project.report.read_text(encoding="utf-8")


def test_the_report_loads_nothing_from_anywhere(report):
    _, text = report
    assert not re.search(r"https?:|//[a-z]|@import|<script", text)
    assert all(link.startswith(("#", "data:image/png")) for link in Page(text).links)


def test_the_report_is_well_formed_with_unique_ids_that_all_links_meet(report):
    _, text = report
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)


def test_every_figure_says_in_words_what_it_shows(report):
    _, text = report
    page = Page(text)
    assert len(page.labels) == text.count("<svg") >= 8
    assert all(len(label) > 20 for label in page.labels)


def test_the_report_opens_with_the_sentence(report):
    evaluation, text = report
    shown = html.unescape(re.sub(r"<[^>]+>", "", re.search(r"<h1>(.*?)</h1>", text, re.DOTALL)[1])).replace("\xa0", " ")
    assert shown == evaluation.sentence


def test_the_report_has_a_row_for_every_model_and_every_training_label(report):
    evaluation, text = report
    for model in evaluation.scores:
        assert text.count(words.title(model.name)) >= 3, model.name
    for name in evaluation.test_rows_per_class:
        assert f">{name}</th>" in text


def test_the_report_says_the_shares_of_the_classes_and_which_prior_is_in_use(report):
    shares = {"labelled": {"a": 0.5, "b": 0.5}, "em": {"a": 0.9, "b": 0.1}, "bbse": {"a": 0.8, "b": 0.2}}
    used = Calibration(rows=20, coverage=0.9, prior="labelled", shares=shares)
    effect = {"balanced": {"accuracy": 0.8}, "labelled": {"accuracy": 0.9}}
    section = report_rows.calibration(report[0].model_copy(update={"prior_effect": effect}), used, "")
    of_classes, of_priors = [each for each in section.blocks if isinstance(each, Table)][-2:]
    assert of_classes.rows == (("a", "50.0 %", "90.0 %", "80.0 %"), ("b", "50.0 %", "10.0 %", "20.0 %"))
    assert [row[0] for row in of_priors.rows] == ["balanced", "labelled (in use)"]
    effects = {"prior_effect": effect, "prior_effect_unlabelled": {"labelled": {"accuracy": 0.7}}}
    *_, told, weighted = report_rows.calibration(report[0].model_copy(update=effects), used, "").blocks
    assert told.text == "The same where classes come as often as is estimated by EM among the unlabelled rows:"
    assert weighted.rows == (("labelled (in use)", "0.700"),)


def test_rows_answered_beyond_the_values_that_were_learned_are_counted(tmp_path):
    project = make_project(tmp_path, classes=())
    prepared, artefact = read_prepared(project), Artefact.load(project.model)

    def said(y):
        nothing = Evaluation.model_construct(test_rows_per_class={})
        return report_facts.limits(nothing, replace(prepared, y=y), artefact).blocks[0].items[0]

    answers = artefact.predict_encoded(prepared.x[~prepared.labelled]).answer
    beyond = ((answers < np.nanmin(prepared.y)) | (answers > np.nanmax(prepared.y))).mean()
    assert 0 < beyond < 0.5
    assert f" {100 * beyond:.1f} % of the unlabelled rows are answered so, where no label vouches" in said(prepared.y)
    wide = prepared.y.copy()
    wide[np.flatnonzero(prepared.labelled)[:2]] = -1e9, 1e9
    assert said(wide).endswith("; beyond them its answers are guesses.")


@pytest.mark.parametrize("folds", [0, 5])
def test_judged_rows_that_equal_a_labelled_row_of_their_models_are_counted(tmp_path, folds):
    project = make_project(tmp_path, folds=folds)
    prepared, artefact = read_prepared(project), Artefact.load(project.model)

    def said(prepared):
        evaluation = Evaluation.model_construct(test_rows_per_class={})
        return " ".join(report_facts.limits(evaluation, prepared, artefact).blocks[0].items)

    assert "learned from" not in said(prepared)
    x, places = prepared.x.copy(), np.flatnonzero(prepared.labelled)
    first, other = places[0], places[prepared.fold[places] != prepared.fold[places[0]]][0] if folds else places[1]
    if folds:
        x[other] = x[first]
    else:
        x[places[:2]] = prepared.encoder.encode_columns(prepared.judged_columns())[:2]
    met = f"2 of {len(prepared.truth)} judged rows look to the model just like a labelled row it learned from."
    assert met in said(replace(prepared, x=x))
    if folds:  # a row of the same fold was not learned from
        together = prepared.fold.copy()
        together[other] = together[first]
        assert "learned from" not in said(replace(prepared, x=x, fold=together))


@pytest.mark.parametrize("report", ["regression"], indirect=True)
def test_scores_and_intervals_of_values_say_their_unit(report):
    assert "RMSE and MAE are in mm." in report[1]
    found = Score(value=0.9, low=0.8, high=0.95)
    check = CalibrationCheck(before={}, after={}, asked=0.9, covered=found, size=Score(value=201, low=190, high=210))
    used = Calibration(rows=90, coverage=0.9, half_width=100.5)
    promise, _ = report_rows.calibration(report[0].model_copy(update={"calibration": check}), used, "mm").blocks
    assert promise.text.endswith("On average an interval is 201 mm wide.")


def test_classes_that_are_in_every_set_are_named(report):
    check = CalibrationCheck(before={}, after={}, asked=0.9, covered=Score(value=0.9, low=0.8, high=0.95))
    evaluation = report[0].model_copy(update={"calibration": check})
    for limits, named in (((0.4, 1.0, 0.5), ["green"]), ((0.4, 0.6, 0.5), [])):
        used = Calibration(rows=30, coverage=0.9, thresholds=limits if evaluation.per_class else ())
        said = [each.text for each in report_rows.calibration(evaluation, used, "").blocks if isinstance(each, Text)]
        found = [text.partition("of any: ")[2] for text in said if text.startswith("In every set")]
        assert found == ([f"{name}." for name in named] if evaluation.per_class else [])


def test_whose_probabilities_are_calibrated_is_said_where_it_counts(report):
    evaluation, text = report
    assert ("Only the probabilities of the SSGAN are calibrated" in text) == (evaluation.task == "classification")


@pytest.mark.parametrize("report", ["classification"], indirect=True)
def test_what_p_fake_is_tried_on_is_explained(report):
    assert set(report_rows.STRANGE) == set(report[0].detection)
    assert all(html.escape(each) in report[1] for each in report_rows.STRANGE.values())


def test_an_interval_of_rows_that_were_all_right_is_not_shown_without_what_it_does_not_say():
    right, wrong = Score(value=1, low=1, high=1), Score(value=0.9, low=0.7, high=1)
    (said,) = report_scores.flawless([wrong, right])
    assert "as many as 3/m of others may be wrong" in said.text
    assert report_scores.flawless([wrong, Score(value=0.5, low=0.5, high=0.5)]) == ()


def test_what_the_gate_decided_stands_out_with_its_whole_reason():
    reason = 'Do not promote, because the rule "rows" failed (2 rows: label more)'
    decision = GateDecision(decision="keep", challenger="a", champion=None, rules=(), sentence=f"{reason}: accuracy 1.")
    (text,) = report_scores.verdict(decision)
    assert (text.strong, text.text) == (f"{reason}:", "accuracy 1.")


def test_figures_follow_the_page_into_dark(report):
    _, text = report
    assert "prefers-color-scheme: dark" in text
    assert "fill: var(--ink)" in text
    assert "#010203" not in text


def test_the_report_stays_small(report):
    _, text = report
    assert len(text) < 400_000


def test_a_project_without_a_training_history_has_no_such_figure(tmp_path):
    project = make_project(tmp_path)
    (project.model / "history.csv").unlink()
    assert read_history(project) == {}


def test_history_keeps_only_columns_with_numbers(tmp_path):
    project = make_project(tmp_path)
    (project.model / "history.csv").write_text("step,loss,note,empty\n1,0.5,begin,\n2,0.4,end,\n")
    assert read_history(project) == {"step": [1.0, 2.0], "loss": [0.5, 0.4]}


def test_the_same_figure_twice_gives_the_same_text():
    fake = {"labelled": np.linspace(0, 1, 30), "unlabelled": np.empty(0), "test": np.linspace(0, 0.5, 9)}
    assert plots_rows.fake_histogram(fake) == plots_rows.fake_histogram(fake)


def test_every_model_of_a_task_has_a_colour_of_its_own():
    for floor, linear in (("majority", "logistic_regression"), ("mean", "ridge")):
        names = ["ssgan", "twin", floor, linear, "random_forest", "boosting", "self_training", "label_spreading"]
        assert len({plots.colour(name) for name in names}) == len(names)


@pytest.mark.parametrize("report", ["classification"], indirect=True)
def test_names_in_the_data_cannot_break_the_page(report, tmp_path):
    names = "<u>red</u>", 'gr"een', "blue&lt;"
    project = make_project(tmp_path, classes=names)
    set_knob(project.params, "baselines.trees=5")
    set_knob(project.params, "evaluate.resamples=50")
    baselines(project)
    evaluate(project)
    page, plain = Page(project.report.read_text(encoding="utf-8")), Page(report[1])
    assert page.open == []
    assert page.tags == plain.tags
    assert page.attributes == plain.attributes
    assert all(name in page.said for name in names)


def page_of(word):
    """A page that says this word in every place there is for words, and how often it is read there."""
    cell = document.Cell(word, small=word)
    figure = document.Figure("figure", "<svg></svg>", word, word, ("a",), ((1,),))
    blocks = (
        document.Text(word, strong=word),
        document.Items((word,)),
        document.Table((word, word), ((word, cell), (cell, word))),
        document.Place("gate", (document.Text(word),)),
        figure,
    )
    sections = (document.Section(word, (*blocks, document.Fold(word, blocks))),)
    made = Page(page(document.Document(word, word, word, (document.Tile(word, word, word),), sections)))
    return made, (made.said + "".join(made.labels)).count(word)


def test_no_word_in_any_place_can_break_the_page():
    (odd, shown), (plain, wanted) = page_of("<u class='b' id=\"c\">d</u>&amp;'"), page_of("plainly")
    assert odd.open == []
    assert (odd.tags, odd.attributes) == (plain.tags, plain.attributes)
    assert shown == wanted > 30


class Drawing:
    """What matplotlib has drawn last: the figure, and each text with the points that it covers."""

    def __init__(self, monkeypatch):
        self.figure, self.texts = None, []
        start, write = Figure.draw, Drawn.draw

        def paint(figure, renderer):
            self.figure, self.texts = figure, []
            start(figure, renderer)

        def note(text, renderer):
            if text.get_visible() and text.get_text():
                self.texts.append((text.get_text(), text.get_window_extent(renderer)))
            write(text, renderer)

        monkeypatch.setattr(Figure, "draw", paint)
        monkeypatch.setattr(Drawn, "draw", note)

    def cut(self):
        """The texts that reach over an edge."""
        page = self.figure.bbox
        kept = [
            page.x0 - 1 < box.x0 and page.y0 - 1 < box.y0 and box.x1 < page.x1 + 1 and box.y1 < page.y1 + 1
            for _, box in self.texts
        ]
        return [text for (text, _), whole in zip(self.texts, kept, strict=True) if not whole]

    def crowded(self):
        """The texts that cover more of each other than a rounding."""
        pairs = [(one, two) for place, one in enumerate(self.texts) for two in self.texts[:place]]
        covered = [(one[0], two[0], Bbox.intersection(one[1], two[1])) for one, two in pairs]
        return [(one, two) for one, two, box in covered if box is not None and min(box.width, box.height) > 0.7]

    def panel(self, place=0):
        """Points from side to side and from top to bottom of a pair of axes."""
        box = self.figure.axes[place].get_window_extent()
        return box.width, box.height


@pytest.fixture
def drawn(monkeypatch):
    return Drawing(monkeypatch)


def map_of(classes):
    rng = np.random.default_rng(0)
    label = rng.integers(0, classes, 90) if classes else rng.normal(size=90)
    return FeatureMap(np.arange(90), rng.normal(size=(90, 2)), np.arange(90) < 60, label, np.arange(90) > 80)


LABELS = ["price_$_per_$", "price_$ ($)", "what_a_flat_costs_in_the_year_of_the_census (100,000 $)"]


@pytest.mark.parametrize("label", LABELS)
def test_a_dollar_sign_or_a_long_name_of_the_label_is_no_formula_and_is_not_cut(drawn, label):
    truth = np.linspace(0, 1e5, 50)
    assert f"true {label[:30]}" in plots_rows.residuals(truth, truth + 9, label, None)
    assert not drawn.cut() + drawn.crowded()
    assert f">{label[:30]}" in plots_training.feature_map(map_of(0), (), label)
    assert not drawn.cut() + drawn.crowded()


@pytest.mark.parametrize(("classes", "name"), [(2, "{}"), (7, "class_of_{}_w"), (30, "{} is a class with a long name")])
def test_the_legend_of_the_map_is_whole_and_the_map_stays_large(drawn, classes, name):
    plots_training.feature_map(map_of(classes), [name.format(k) for k in range(classes)], "y")
    assert len(drawn.texts) == classes + 1
    assert not drawn.cut() + drawn.crowded()
    assert drawn.panel()[1] > 200


@pytest.mark.parametrize("classes", [2, 3, 12, 30, 60])
@pytest.mark.parametrize("name", ["{}", "class {} of many"])
def test_names_of_classes_in_the_confusion_can_be_read(drawn, classes, name):
    truth = np.arange(4 * classes) % classes
    plots_rows.confusion(truth, truth, [name.format(k) for k in range(classes)])
    assert len(drawn.texts) > classes
    assert not drawn.cut() + drawn.crowded()
    assert min(drawn.panel()) > 60


def test_counts_of_many_rows_stay_inside_their_cells(drawn):
    truth = np.repeat(np.arange(12), 2_000)
    plots_rows.confusion(truth, truth, [f"class {k} of many" for k in range(12)])
    assert [text for text, _ in drawn.texts].count("2000") == 12
    assert all(box.width < drawn.panel()[0] / 12 for text, box in drawn.texts if text == "2000")


def test_words_below_the_bars_do_not_lie_on_one_another(drawn):
    shares = (0.2, 0.2, 0.2, 0.2, 0.1, 0.1)
    long = Compared("a column of words with a name", 0.5, (), tuple(f"wordy {k}" for k in range(6)), shares, shares)
    short = Compared("city", 0.5, (), ("no", "yes"), (0.5, 0.5), (0.4, 0.6))
    number = Compared("age", 0.1, tuple(np.linspace(0, 90_000, 7).tolist()), (), shares, shares)
    plots_training.columns_made([number, long, short])
    assert not drawn.cut() + drawn.crowded()
    shown = dict(drawn.texts)
    assert shown["wordy 5"].height > shown["wordy 5"].width
    assert shown["yes"].height < shown["yes"].width
    assert drawn.panel(1)[1] > 50


@pytest.mark.parametrize("names", [("a", "b", "c"), tuple(f"a column's name {k}" for k in range(6))])
def test_correlations_of_few_columns_leave_room_for_their_names(drawn, names):
    plots_training.correlations(names, np.zeros((len(names), len(names))))
    assert not drawn.cut() + drawn.crowded()
    assert drawn.panel()[1] > 24 * len(names)


def test_text_of_figures_takes_the_font_of_the_page_and_brings_one_where_there_is_no_page():
    svg = plots_rows.fake_histogram({"test": np.linspace(0, 0.5, 9)})
    assert "<text" in svg
    assert "font-size: 12px" in svg
    assert not re.search(r"font-family|font:|DejaVu", svg)
    assert plots.alone(svg).count("font-family: system-ui") == 1


def test_a_long_name_at_the_start_of_a_row_does_not_fill_a_phone():
    (rule,) = re.findall(r"tbody th \{ position: sticky;[^}]*\}", style.CSS)
    assert all(each in rule for each in ("white-space: normal", "overflow-wrap:", "max-width: min(45vw,"))


def test_on_paper_the_heads_of_a_wide_table_may_break_so_that_it_fits():
    printed = style.CSS.partition("@media print")[2]
    assert "thead th { white-space: normal; }" in printed


def test_long_names_that_begin_alike_are_told_apart_where_they_are_cut(drawn):
    names = [f"measurement of the blood's value number {k}, fasting" for k in range(12)]
    rows = [(name, "#d55e00", 0.1, 0.0, 0.2, "+0.1") for name in names]
    plots.intervals("importance", rows, "rise")
    shown = [text for text, _ in drawn.texts if text.startswith("measurem")]
    assert len(set(shown)) == len(names)
    assert "measurem…11, fasting" in shown
    truth = np.arange(12)
    plots_rows.confusion(truth, truth, names)
    assert len({text for text, _ in drawn.texts if text.startswith("meas")}) == len(names)
    assert plots.telling(["alike", "alike", "a name that is cut alone"], 12) == [
        "alike",
        "alike",
        "a name that is cut alone",
    ]


@pytest.mark.parametrize("scale", [0.0004, 0.004, 0.04, 4, 4000])
@pytest.mark.parametrize("name", ["x", "measurement of the blood's value"])
def test_numbers_of_an_axis_beside_long_names_do_not_lie_on_one_another(drawn, name, scale):
    rows = [(f"{k} {name}", "#d55e00", scale / k, scale / k / 2, scale, f"{scale / k:+.2g}") for k in range(1, 9)]
    plots.intervals("importance", rows, "rise of log loss when shuffled", zero=True)
    assert not drawn.cut() + drawn.crowded()
    bottom = drawn.figure.axes[0].get_window_extent().y0
    numbers = sorted((box.x0, box.x1) for text, box in drawn.texts if box.y1 < bottom and not text.startswith("rise"))
    assert len(numbers) >= 2
    assert all(left[1] + 4 < right[0] for left, right in itertools.pairwise(numbers))


def test_letters_of_any_script_are_drawn_without_a_word_on_the_terminal():
    names = ["ぶどう膜炎", "🦠 virus", "Ελλάδα", "القاهرة"]  # a warning would be an error here
    truth = np.arange(4)
    svg = plots_rows.confusion(truth, truth, names)
    assert all(name in svg for name in names)
    assert plots.breadth(names[1]) > 0
