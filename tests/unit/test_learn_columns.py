"""Columns are read as what they say, however they are held, and a person hears of those that are no use."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from warned import warned

from ssgan import SSGANClassifier
from ssgan.errors import InputError
from ssgan.learn.encode import Encoder
from ssgan.learn.given import checked
from ssgan.learn.notices import of_columns, of_new_words
from ssgan.learn.tabular import Layout

ROWS = 120
SIZES = np.random.default_rng(0).normal(size=ROWS).round(3)
DAYS = pd.Series(pd.date_range("2020-01-01", periods=ROWS))


def objects(cells: Any) -> pd.Series:
    return pd.Series(list(cells), dtype=object)


def read(cells: Any, later: Any = None) -> tuple[str, np.ndarray]:
    """The kind of a column, and its values, or those of a column that comes later."""
    layout = Layout.of(pd.DataFrame({"a": cells}))
    return layout.kinds[0], layout.columns(pd.DataFrame({"a": cells if later is None else later}))["a"]


@pytest.mark.parametrize(
    "cells",
    [
        objects([None, *SIZES[1:]]),
        objects([pd.NA, *SIZES[1:]]),
        objects([Decimal("NaN"), *(Decimal(str(size)) for size in SIZES[1:])]),
        objects(["?", *SIZES[1:].astype(str)]),
        objects([" NA ", *(f" {size}" for size in SIZES[1:])]),
        pd.Series([None, *SIZES[1:].astype(str)], dtype="string"),
        objects(["n/a", *SIZES[1:60], *SIZES[60:].astype(str)]),
    ],
    ids=["None", "NA", "Decimal", "text with ?", "text with blanks", "string", "text and numbers"],
)
def test_numbers_are_numbers_however_they_are_held(cells: pd.Series) -> None:
    kind, values = read(cells)
    assert kind == "number"
    assert np.isnan(values[0])
    assert np.array_equal(values[1:], SIZES[1:])


def test_more_than_50_whole_numbers_held_as_text_are_numbers_and_50_are_codes() -> None:
    assert read([str(number % 51) for number in range(ROWS)])[0] == "number"
    kind, values = read([str(number % 50) for number in range(ROWS)])
    assert kind == "word"
    assert values[3] == "3"


@pytest.mark.parametrize("code", ["007", " 01", "-05", "00.5"])
def test_a_leading_zero_makes_words_of_a_column(code: str) -> None:
    kind, values = read([code, *SIZES[1:].astype(str)])
    assert kind == "word"
    assert values[0] == code.strip()


def test_a_category_of_numbers_stays_words() -> None:
    assert read(pd.Series(SIZES).astype("category"))[0] == "word"


def test_objects_in_rows_of_a_list_keep_their_types() -> None:
    X = checked(SSGANClassifier(), [[size, "a", number % 3] for number, size in enumerate(SIZES.tolist())], True)
    layout = Layout.of(X)
    assert layout.kinds == ("number", "word", "number")
    assert np.array_equal(layout.columns(X)["x0"], SIZES)


def test_text_that_is_nearly_all_numbers_stays_words_and_its_other_cells_are_named() -> None:
    told: list[str] = []
    layout = Layout.of(pd.DataFrame({"a": ["broken", *SIZES[1:].astype(str)]}), told.append)
    assert layout.kinds == ("word",)
    assert len(told) == 1
    assert "column 'a' is read as words, because 1 of its 120 cells are no numbers, such as 'broken'" in told[0]
    Layout.of(pd.DataFrame({"a": np.where(SIZES > 0, "broken", SIZES.astype(str))}), told.append)
    assert len(told) == 1


@pytest.mark.parametrize("later", [["1.5", " ? "], [Decimal("1.5"), None], np.array([1.5, np.nan], np.float32)])
def test_a_column_of_numbers_is_read_so_later_however_it_is_held(later: Any) -> None:
    _, values = read(SIZES.astype(str), later)
    assert np.array_equal(values, [1.5, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("cells", "later", "fault"),
    [
        (SIZES.astype(str), ["1.5", "large"], "column 'a' must hold numbers as in the fit; 1 of its 2 .* 'large'"),
        (SIZES, DAYS, "column 'a' must hold numbers as in the fit; 120 of its 120 .* 2020-01-01"),
        (SIZES, DAYS - DAYS[0], "column 'a' must hold numbers"),
        (SIZES, [[1.0], [2.0]], "column 'a' must hold numbers"),
        (SIZES.astype(str), ["1.5", "inf"], "column 'a' holds an infinite number"),
        (SIZES, objects([10**400]), "column 'a' holds an infinite number"),
        (DAYS, [1.0, 2.0], "column 'a' must hold dates as in the fit; 2 of its 2"),
        (DAYS, ["2020-01-01", "soon"], "column 'a' must hold dates as in the fit; 1 of its 2 .* 'soon'"),
        (DAYS - DAYS[0], DAYS, "column 'a' must hold lengths of time as in the fit"),
    ],
)
def test_what_is_not_of_a_column_s_kind_is_refused_by_name_and_cell(cells: Any, later: Any, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        read(cells, later)


@pytest.mark.parametrize(
    ("cells", "later"),
    [
        (pd.Series([1.0, 2.0, 3.0]).astype("category"), pd.Series([1, 2, 3]).astype("category")),
        (pd.Series([1.0, 2.0, 3.0]).astype("category"), ["1", "2", "3"]),
        (["1.0", "2.0", "3.0"], objects([1, 2.0, Decimal("3.00")])),
        (["a", "b", "c"], [" a", "b ", "c"]),
        (["a", "b", "c"], [b"a", b"b", b"c"]),
        ([True, False, True], [1, 0, 1]),
        ([True, False, True], [1.0, 0.0, 1.0]),
        ([True, False, True], ["TRUE", "false", " True"]),
        (objects([True, False, None]), pd.Series([True, False, None], dtype="boolean")),
        (pd.Series([True, False, True], dtype="boolean"), ["1", "0", "1"]),
    ],
)
def test_a_word_is_the_same_however_it_is_held(cells: Any, later: Any) -> None:
    assert read(cells, later)[1].tolist() == read(cells)[1].tolist()


def test_codes_from_parts_of_a_file_that_were_read_otherwise_are_one() -> None:
    assert set(read(objects([3, "3", 3.0, "3.0", " 3"] * 20 + ["A"] * 20))[1]) == {"3", "A"}


def test_truth_and_1_are_apart_where_a_column_was_not_of_truth_values() -> None:
    assert set(read(["True", "TRUE", "1"])[1]) == {"True", "TRUE", "1"}
    assert read(objects([True, 1, "x"]))[1].tolist() == ["True", "1", "x"]


@pytest.mark.parametrize(
    "cells",
    [
        DAYS,
        DAYS.dt.tz_localize("UTC"),
        DAYS.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        objects(DAYS),
        objects(DAYS.dt.date),
    ],
    ids=["naive", "UTC", "zone", "objects", "dates"],
)
def test_dates_are_numbers_of_days(cells: pd.Series) -> None:
    kind, values = read(cells)
    assert kind == "days"
    assert np.array_equal(values, 18262.0 + np.arange(ROWS))  # 2020-01-01 is so many days after 1970-01-01
    assert np.array_equal(read(cells, DAYS.astype(str))[1], values)
    assert np.isnan(read(cells, objects([None, pd.NaT, ""]))[1]).all()


@pytest.mark.parametrize("cells", [DAYS - DAYS[0], objects([datetime.timedelta(each) for each in range(ROWS)])])
def test_lengths_of_time_are_numbers_of_days(cells: pd.Series) -> None:
    kind, values = read(cells)
    assert kind == "span"
    assert np.array_equal(values, np.arange(ROWS))


def fitted(frame: pd.DataFrame) -> SimpleNamespace:
    layout = Layout.of(frame)
    columns, contract = layout.columns(frame), layout.contract(frame, None)
    return SimpleNamespace(layout=layout, columns=columns, contract=contract, encoder=Encoder.fit(columns, contract))


def told_of(frame: pd.DataFrame) -> list[str]:
    found = fitted(frame)
    kinds = dict(zip(found.layout.names, found.layout.kinds, strict=True))
    return list(of_columns(found.columns, kinds, found.encoder))


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ([7.0] * ROWS, "a column that is constant or empty teaches nothing: column 'a'"),
        ([np.nan] * ROWS, "a column that is constant or empty teaches nothing: column 'a'"),
        (["same"] * ROWS, "a column that is constant or empty teaches nothing: column 'a'"),
        ([None] * ROWS, "a column that is constant or empty teaches nothing: column 'a'"),
        (np.arange(ROWS)[::-1], "a different whole number in every row looks like an id: column 'a'"),
        ([f"w{number}" for number in range(ROWS)], "a different word in every row looks like an id: column 'a'"),
        ([f"w{number // 4}" for number in range(ROWS)], "a word is learned if 5 rows hold it: column 'a' has no such"),
    ],
)
def test_columns_that_are_no_use_are_named(cells: Any, sentence: str) -> None:
    (told,) = told_of(pd.DataFrame({"a": cells, "b": SIZES}))
    assert told.startswith(sentence)


@pytest.mark.parametrize(
    "cells",
    [
        SIZES,
        np.arange(ROWS) // 2,
        [None, *[1.0] * (ROWS - 1)],  # whether it is there is something
        [f"w{number // 5}" for number in range(ROWS)],
        DAYS,
        np.where(np.arange(ROWS) < 3, "seldom", "often"),
    ],
)
def test_of_columns_that_may_be_of_use_nothing_is_said(cells: Any) -> None:
    assert told_of(pd.DataFrame({"a": cells, "b": SIZES})) == []


def test_many_columns_that_are_no_use_are_one_sentence() -> None:
    (told,) = told_of(pd.DataFrame({f"c{place}": [1.0] * ROWS for place in range(40)}))
    assert "column 'c4' and 35 more" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (str.upper, ["words of column 'a' should be those of the fit, such as 'x', 'y', 'z'; in 120 of 120 rows"]),
        (lambda word: word, []),
    ],
)
def test_a_column_whose_words_are_mostly_new_is_named(change: Callable[[str], str], told: list[str]) -> None:
    words = [*["x", "y"] * 55, *["z"] * 10]
    found = fitted(pd.DataFrame({"a": words}))
    columns = found.layout.columns(pd.DataFrame({"a": [change(word) for word in words]}))
    sentences = list(of_new_words(columns, found.contract, found.encoder))
    assert [each.startswith(start) for each, start in zip(sentences, told, strict=True)] == [True] * len(told)


def test_of_a_column_that_is_ignored_no_word_is_new() -> None:
    found = fitted(pd.DataFrame({"a": [f"w{number}" for number in range(ROWS)]}))
    assert not list(of_new_words({"a": np.array(["new"], object)}, found.contract, found.encoder))


def test_what_a_fit_and_a_prediction_find_are_warnings_at_the_call() -> None:
    frame = pd.DataFrame({"size": SIZES, "id": np.arange(ROWS), "word": np.where(SIZES > 0, "b", "a")})
    model = SSGANClassifier(steps=1, hidden=(2,), teacher_weight=0.0)
    with warned(__file__) as texts:
        model.fit(frame, np.where(SIZES > 0, 1, 0))
    assert model.warnings_ == tuple(texts)
    assert any("looks like an id: column 'id'" in text for text in texts)
    with warned(__file__) as texts:
        model.predict(frame.assign(word="c"))
    assert [text[:50] for text in texts] == ["words of column 'word' should be those of the fit,"]
