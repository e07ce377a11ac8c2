"""What the estimators take for a label, and for none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssgan.contract import Contract
from ssgan.errors import InputError
from ssgan.learn.labels import class_labels, group_names, places_among, value_labels
from ssgan.learn.prepare import labels

SILENT: list[str] = []


def objects(cells: Any) -> np.ndarray:
    found = np.empty(len(cells), object)
    found[:] = list(cells)
    return found


@pytest.mark.parametrize(
    "none", ["nan", "NA", "NaN", "null", "None", "<NA>", "?", " ", " NA ", "-1.0", "\t-1", b"", b"NA", np.str_("nan")]
)
def test_a_word_that_means_no_label_is_no_class_and_is_told_once(none: Any) -> None:
    told: list[str] = []
    classes, places = class_labels(objects(["ill", "well", none, none]), told.append)
    assert classes.tolist() == ["ill", "well"]
    assert places.tolist() == [0, 1, -1, -1]
    assert len(told) == (0 if none == b"" else 1)
    assert all(text.startswith("2 labels of 4 are words that mean no label, such as ") for text in told)


@pytest.mark.parametrize("none", ["", "-1", None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT")])
def test_what_a_person_leaves_out_on_purpose_is_not_told(none: Any) -> None:
    told: list[str] = []
    _, places = class_labels(objects(["ill", "well", none]), told.append)
    assert places.tolist() == [0, 1, -1]
    assert not told


def test_a_word_is_shown_as_it_is_written_whatever_holds_it() -> None:
    told: list[str] = []
    class_labels(objects([np.str_("NA"), "ill", "well"]), told.append)
    assert "such as 'NA':" in told[0]


def test_labels_of_bytes_are_text_from_the_beginning() -> None:
    classes, _ = class_labels(objects([b"ill", b"well", "well"]), SILENT.append)
    assert classes.tolist() == ["ill", "well"]
    assert places_among(classes, objects([b"well", b"NA"])).tolist() == [1, -1]


@pytest.mark.parametrize(
    "labels", [[True, False, None], [np.True_, False, None], [1.0, 0.0, np.nan], [np.int8(1), 0, -1]]
)
def test_whole_numbers_and_truth_values_are_classes(labels: list[Any]) -> None:
    classes, places = class_labels(objects(labels), SILENT.append)
    assert classes.tolist() == [0, 1]
    assert places.tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("values", "found"),
    [(["1.5", "NA", None], [1.5, np.nan, np.nan]), ([1, pd.NA, "?"], [1.0, np.nan, np.nan])],
)
def test_values_may_be_text_and_words_for_none_are_told(values: list[Any], found: list[float]) -> None:
    told: list[str] = []
    assert np.array_equal(value_labels(objects(values), told.append), found, equal_nan=True)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("label", "severity", "found"),
    [({"max": 20}, {}, [-5, 19, np.nan, np.nan]), ({"min": 0}, {}, [np.nan, 19, 999, np.nan]),
     ({}, {}, [-5, 19, 999, np.nan]), ({"max": 20}, {"label outside range": "info"}, [-5, 19, 999, np.nan])],
)  # fmt: skip
def test_an_accepted_value_that_a_narrower_contract_forbids_is_no_label(label, severity, found) -> None:
    told = {"name": "t", "task": "regression", "columns": {"a": {"type": "number"}}, "severity": severity}
    contract = Contract.model_validate({**told, "label": {"column": "y", **label}})
    np.testing.assert_array_equal(labels(pd.DataFrame({"y": [-5.0, 19.0, 999.0, None]}), contract), found)


def test_a_date_is_no_value() -> None:
    with pytest.raises(InputError, match="y must hold numbers, NaN or None; it holds 2020-01-01"):
        value_labels(objects([pd.Timestamp("2020-01-01"), pd.NaT]))


@pytest.mark.parametrize("none", [None, np.nan, pd.NA, "", "nan"])
def test_a_row_whose_group_is_missing_is_a_group_of_its_own(none: Any) -> None:
    names = group_names(objects(["a", none, "a", none, 1]))
    assert len(set(names)) == 4
    assert names[0] == names[2] == "a"
    assert names[4] == "1"
