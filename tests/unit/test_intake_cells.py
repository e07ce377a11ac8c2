"""How cells become values, and which rule a bad one breaks."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from ssgan.contract import MISSING, CategoryColumn, ImageColumn, NumberColumn, ValueLabel
from ssgan.intake import cells
from ssgan.intake.cells import as_text, canonical, class_cells, image_cells, number_cells, text_cells, word_cells


def broken(found):
    return {fault.rule: np.flatnonzero(fault.rows).tolist() for fault in found.faults}


def test_text_is_read_as_a_number_or_named_as_a_fault():
    words = ["1", " 2.5 ", "+3", "-.5e1", "", "NA", "abc", "1,5", "0x10", "1_0", "inf", "-Infinity", "1e999", None]
    found = number_cells(pa.array(words), "a", NumberColumn(), MISSING)
    assert found.values.to_numpy()[:4].tolist() == [1.0, 2.5, 3.0, -5.0]
    assert np.isnan(found.values.to_numpy()[4:]).all()
    assert broken(found) == {
        cells.NOT_A_NUMBER: [6, 7, 8, 9],
        cells.INFINITE: [10, 11, 12],
        cells.MISSING: [4, 5, 13],
    }


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, None], pa.int64()),
        pa.array([1.0, 2.0, float("nan")]),
        pa.array([1, 2, None], pa.decimal128(5, 2)),
        pa.array(["1", "2.0", "nan"]),
        pa.array(["1", "2.0", None]).dictionary_encode().dictionary_decode(),
    ],
    ids=str,
)
def test_every_type_of_column_gives_the_same_numbers(column):
    found = number_cells(column, "a", NumberColumn(nullable=True), MISSING)
    np.testing.assert_array_equal(found.values.to_numpy(), [1.0, 2.0, np.nan])
    assert found.faults == ()


def test_a_number_breaks_one_rule_only():
    rule = NumberColumn(min=0, max=10, integer=True)
    found = number_cells(pa.array([0.0, 10.0, -1.0, 10.5, 2.5, np.inf, np.nan]), "a", rule, MISSING)
    assert broken(found) == {
        cells.OUTSIDE_RANGE: [2, 3],
        cells.NOT_AN_INTEGER: [4],
        cells.INFINITE: [5],
        cells.MISSING: [6],
    }


def test_a_number_that_may_lie_outside_its_range_must_be_whole_all_the_same():
    rule = NumberColumn(min=0, max=10, integer=True)
    found = number_cells(pa.array([12.0, 12.5]), "a", rule, MISSING, kept={cells.OUTSIDE_RANGE})
    assert broken(found) == {cells.NOT_AN_INTEGER: [1]}


def test_a_label_value_outside_its_range_is_a_fault_and_a_missing_one_is_not():
    found = number_cells(pa.array(["5", "11", ""]), "y", ValueLabel(column="y", max=10), MISSING, label=True)
    assert broken(found) == {cells.LABEL_OUTSIDE_RANGE: [1]}


def test_words_are_matched_as_text_and_numbers_in_any_spelling():
    rule = CategoryColumn(type="category", values=("1", "02", "yes"))
    found = word_cells(pa.array(["1.0", "02", " yes ", "2", "no", "NA"]), "a", rule, MISSING)
    assert found.values.to_pylist() == ["1", "02", "yes", "02", None, None]
    assert broken(found) == {cells.UNKNOWN_VALUE: [4], cells.MISSING: [5]}


def test_a_word_that_the_contract_lists_is_a_value_even_if_it_usually_means_missing():
    rule = CategoryColumn(type="category", values=("None", "some"))
    found = word_cells(pa.array(["None", "some", ""]), "a", rule, MISSING)
    assert found.values.to_pylist() == ["None", "some", None]


def test_a_class_is_unlabelled_when_missing_or_minus_one():
    found = class_cells(pa.array(["-1", "-1.0", "", None, "1", "maybe"]), "y", ["0", "1"], MISSING)
    assert found.values.to_pylist() == [None, None, None, None, "1", None]
    assert broken(found) == {cells.UNKNOWN_LABEL: [5]}
    kept = class_cells(pa.array(["-1", "1"]), "y", ["-1", "1"], MISSING)
    assert kept.values.to_pylist() == ["-1", "1"]


def test_too_long_a_text_is_that_fault_alone():
    long = "x" * (cells.LONGEST_CELL + 1)
    rule = CategoryColumn(type="category", values=("u",))
    assert broken(number_cells(pa.array([long, "1"]), "a", NumberColumn(), MISSING)) == {cells.TOO_LONG: [0]}
    assert broken(word_cells(pa.array([long, "u"]), "a", rule, MISSING)) == {cells.TOO_LONG: [0]}
    assert broken(class_cells(pa.array([long, "u"]), "a", ["u", "v"], MISSING)) == {cells.TOO_LONG: [0]}
    assert broken(text_cells(pa.array([long, ""]), "a", MISSING)) == {cells.TOO_LONG: [0], cells.MISSING: [1]}


def test_every_type_has_a_text():
    assert as_text(pa.array([3.0, 2.5, None, float("nan")])).to_pylist() == ["3", "2.5", None, None]
    assert as_text(pa.array([True, False, None])).to_pylist() == ["True", "False", None]
    assert as_text(pa.array([7, None])).to_pylist() == ["7", None]
    assert as_text(pa.array([[1], None])).to_pylist() == ["<list<item: int64>>", None]
    assert canonical("+1.0") == canonical("1") == "1"
    assert canonical("1.50") == "1.5"
    assert canonical("nan") == "nan"


def png(height, width, mode="L"):
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 51 if mode == "L" else (51, 51, 51)).save(buffer, "PNG")
    return buffer.getvalue()


def test_only_a_png_of_the_declared_size_is_an_image():
    good = png(8, 8)
    column = pa.array([good, png(8, 9), png(8, 8, "RGB"), good[:40], b"no png", None])
    found = image_cells(column, "digit", ImageColumn(type="image", height=8, width=8))
    assert broken(found) == {cells.NOT_THE_IMAGE: [1, 2, 3, 4, 5]}
    assert found.values.to_pylist() == [good, None, None, None, None, None]
    assert found.aspects["digit.brightness"][0] == pytest.approx(0.2)
    assert np.isnan(found.aspects["digit.contrast"][1:]).all()
