"""A drafted contract can be read, and takes the file it was drafted from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ssgan.contract import (
    RESERVED,
    CategoryColumn,
    ClassLabel,
    Contract,
    IgnoredColumn,
    NumberColumn,
    ValueLabel,
    read_contract,
)
from ssgan.errors import ContractError, DataError
from ssgan.intake.batch import read_batch
from ssgan.intake.draft import draft_contract
from ssgan.intake.look import quoted
from ssgan.stray import far_from_the_rest


def contract_of(text, tmp_path) -> Contract:
    path = tmp_path / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return read_contract(path)


def people(rows=80):
    return pd.DataFrame(
        {
            "record_id": [f"R{row:03d}" for row in range(rows)],
            "patient_id": [row // 2 for row in range(rows)],
            "age": [20 + row % 50 for row in range(rows)],
            "change": [row * 0.37 - 9 for row in range(rows)],
            "bmi": ["N/A" if row % 7 == 0 else f"{18 + row / 9:.1f}" for row in range(rows)],
            "smoker": ["?" if row % 11 == 0 else "yes" if row % 3 else "no" for row in range(rows)],
            "seen": ["2024-01-17"] * 40 + ["2024-02-01"] * (rows - 40),
            "note": [f"text number {row} of this file" for row in range(rows)],
            "site": ["only one"] * rows,
            "switch": [row % 2 for row in range(rows)],
            "level": ["1" if row % 10 == 0 else "2" if row % 10 == 1 else "" for row in range(rows)],
        }
    )


def test_every_kind_of_column_is_recognised_and_every_line_has_a_reason(tmp_path):
    text = draft_contract(people(), "level", "people")
    contract = contract_of(text, tmp_path)
    kinds = {name: type(column) for name, column in contract.columns.items()}
    assert kinds == {
        "patient_id": IgnoredColumn,
        "age": NumberColumn,
        "change": NumberColumn,
        "bmi": NumberColumn,
        "smoker": CategoryColumn,
        "seen": IgnoredColumn,
        "note": IgnoredColumn,
        "site": IgnoredColumn,
        "switch": NumberColumn,
    }
    assert contract.id == "record_id"
    assert contract.label == ClassLabel(column="level", classes=("1", "2"))
    assert contract.columns["age"] == NumberColumn(min=0, max=120, integer=True)
    assert contract.columns["switch"] == NumberColumn(min=0, max=1, integer=True)
    assert contract.columns["change"].min < -9
    assert contract.columns["bmi"].nullable
    assert contract.columns["smoker"] == CategoryColumn(type="category", values=("no", "yes"), nullable=True)
    assert {"?", "N/A"} <= {*contract.missing}
    assert "16 of 80 rows have a label (20.0%)" in text
    assert all("#" in line for line in text.splitlines() if line and line != "rules:")


def test_what_the_user_names_is_not_guessed(tmp_path):
    text = draft_contract(people(), "age", "people", id="note", group="patient_id", task="classification")
    contract = contract_of(text, tmp_path)
    assert (contract.id, contract.group, contract.task) == ("note", "patient_id", "classification")
    assert isinstance(contract.columns["record_id"], IgnoredColumn)


def test_a_label_of_many_numbers_makes_a_regression(tmp_path):
    contract = contract_of(draft_contract(people(), "change", "people"), tmp_path)
    assert contract.task == "regression"
    assert isinstance(contract.label, ValueLabel)
    assert contract.label.min < -9 < 13 < contract.label.max


def test_numbers_far_from_all_others_are_pointed_at_and_heavy_tails_are_not(tmp_path):
    tail = np.exp(np.linspace(0, 6, 50))
    frame = pd.DataFrame(
        {"price": tail, "age": [*range(20, 69), 9999], "grade": [*np.linspace(-5, 19, 48), 999, 99999]}
    )
    text = draft_contract(frame, "grade", "school")
    lines = {line.split(":")[0].strip(): line for line in text.splitlines()}
    assert "999 and 99999 lie far from the rest (-5 to 19)" in lines["max"]
    assert "9999 lies far from the rest (20 to 68)" in lines["age"]
    assert "far from" not in lines["price"]
    assert contract_of(text, tmp_path).label.max > 99999


@pytest.mark.parametrize(
    "numbers", [[], [7.0], [0.0, 1e6], [0.0] * 99 + [1e9], [-1.7e308, 1.7e308, *range(9)], [0, 1, 2, 3, 50]]
)
def test_a_few_different_numbers_or_two_halves_point_at_nothing(numbers):
    far, _ = far_from_the_rest(np.asarray(numbers, float))
    assert far.tolist() == []


def test_minus_one_is_no_class(tmp_path):
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.5, 3.5], "y": [-1, 0, 1, 1]})
    contract = contract_of(draft_contract(frame, "y", "t"), tmp_path)
    assert contract.classes == ("0", "1")


def test_ten_classes_and_minus_one_are_no_regression(tmp_path):
    frame = pd.DataFrame({"a": [row / 2 for row in range(33)], "y": [row % 11 - 1 for row in range(33)]})
    contract = contract_of(draft_contract(frame, "y", "t"), tmp_path)
    assert contract.classes == tuple("0123456789")


def test_a_word_for_no_label_is_no_class_and_its_rows_are_unlabelled(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("a,y\n" + "".join(f"{row},{('yes', 'no', 'Unknown', 'n/a', '')[row % 5]}\n" for row in range(20)))
    text = draft_contract(path, "y", "t")
    contract = contract_of(text, tmp_path)
    assert contract.label == ClassLabel(column="y", classes=("no", "yes"), unlabelled=("-1", "Unknown", "n/a"))
    assert "8 of 20 rows have a label" in text
    manifest = read_batch(path, contract).manifest
    assert (manifest.labelled, manifest.unlabelled) == ({"no": 4, "yes": 4}, 12)


@pytest.mark.parametrize("empty", ["", "NA"])
def test_none_is_a_class_where_rows_without_a_label_are_written_otherwise(tmp_path, empty):
    path = tmp_path / "f.csv"
    path.write_text("a,y\n" + "".join(f"{row},{('apnoea', 'None', empty)[row % 3]}\n" for row in range(21)))
    text = draft_contract(path, "y", "t")
    contract = contract_of(text, tmp_path)
    assert contract.classes == ("None", "apnoea")
    assert "None is one, since rows without a label are written otherwise" in text
    assert read_batch(path, contract).manifest.labelled == {"None": 7, "apnoea": 7}


def test_the_words_that_were_taken_for_no_label_are_told_with_their_rows(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("a,y\n" + "".join(f"{row / 2},{('yes', 'no', 'None')[row % 3]}\n" for row in range(21)))
    text = draft_contract(path, "y", "t")
    assert contract_of(text, tmp_path).classes == ("no", "yes")
    assert "-1 means unlabelled; None too, in 7 rows: one that is a class belongs to the classes" in text
    path.write_text("a,y\n" + "".join(f"{row / 2},{'None' if row % 3 else row / 4}\n" for row in range(42)))
    assert "empty or missing means unlabelled; None too, in 28 rows\n" in draft_contract(path, "y", "t")


def test_words_for_no_label_among_values_make_no_class_of_the_values(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("a,y\n1,unknown\n2,n/a\n3,3.5\n4,7.25\n5,\n")
    contract = contract_of(draft_contract(path, "y", "t"), tmp_path)
    assert contract.label == ValueLabel(column="y", min=0, max=11, unlabelled=("n/a", "unknown"))
    assert not [fault for part in read_batch(path, contract).parts() for fault in part.faults]


def test_values_that_are_not_plain_numbers_are_no_classes():
    frame = people().assign(price=[f"{1234.5 * row:,.2f}" for row in range(80)])
    with pytest.raises(DataError, match=r"another word in nearly every row.*write values as plain numbers"):
        draft_contract(frame, "price", "people")


def test_a_word_for_no_label_beside_one_class_is_a_class(tmp_path):
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.5, 3.5], "y": ["yes", "unknown", "unknown", ""]})
    assert contract_of(draft_contract(frame, "y", "t"), tmp_path).classes == ("unknown", "yes")


def test_a_measured_number_is_neither_taken_for_an_id_nor_for_a_group(tmp_path):
    frame = people().assign(record_id=1.5, patient_id=0.25, uric_acid=[3 + row / 7 for row in range(80)])
    text = draft_contract(frame, "level", "people")
    contract = contract_of(text, tmp_path)
    assert (contract.id, contract.columns["uric_acid"]) == (None, NumberColumn(min=0, max=26))
    assert "if the rows of one" not in text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amount_paid", NumberColumn),
        ("folic_acid", NumberColumn),
        ("fluid", NumberColumn),
        ("visitId", IgnoredColumn),
        ("orderID", IgnoredColumn),
        ("recordid", IgnoredColumn),
        ("case_id", IgnoredColumn),
    ],
)
def test_a_name_that_merely_ends_like_id_is_no_id(tmp_path, name, kind):
    frame = people().assign(**{name: [3 * (row % 40) for row in range(80)]})
    assert type(contract_of(draft_contract(frame, "level", "people"), tmp_path).columns[name]) is kind


def line_of(frame, name, label="level"):
    """What is drafted of one column: its options and the reason."""
    text = draft_contract(frame, label, "people")
    line = next(line for line in text.splitlines() if line.startswith(f"  {quoted(name)}: "))
    return line.split(": ", 1)[1]


def test_numbers_with_words_in_many_rows_are_no_number_column():
    words = ["low" if row % 3 == 0 else f"{row / 4}" for row in range(80)]
    line = line_of(people().assign(score=words), "score")
    assert line.startswith("{type: ignore}")
    assert "numbers but for words such as 'low' in 27 rows; add those of no value to `missing`" in line
    few = ["low" if row == 5 else f"{row / 4}" for row in range(80)]
    line = line_of(people().assign(score=few), "score")
    assert line.startswith("{type: number")
    assert line.endswith("low is no number, so such rows are refused")


def test_values_with_words_in_many_rows_are_neither_values_nor_classes():
    frame = people().assign(score=["late" if row % 3 == 0 else f"{row / 4}" for row in range(80)])
    with pytest.raises(DataError, match="53 different numbers, and words such as 'late' in 27 rows; leave those"):
        draft_contract(frame, "score", "people")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([f"{900 + 40 * row:,}" for row in range(80)], "numbers with marks between thousands, such as '1,020': write"),
        ([f"{row % 40} mg" for row in range(80)], "numbers with a unit, such as '0 mg': write plain numbers"),
        ([f"{row % 40}.5 {'mg' if row % 2 else 'ml'}" for row in range(80)], "numbers with a unit, such as '0.5 ml'"),
        ([f"{row % 40}.0%" for row in range(80)], "numbers with a per cent sign, such as '0.0%': write plain numbers"),
        ([f"{row % 24}:{row % 60:02}" for row in range(80)], "times, such as '0:00': write a number, such as minutes"),
        ([f"1.{row:03}.000" for row in range(80)], "numbers with marks between thousands, such as '1.000.000': write"),
        ([f"{row % 24}.{row % 60:02}.00" for row in range(80)], "times, such as '0.00.00': write a number, such as"),
        ([f"{row},5" for row in range(80)], "numbers with a decimal comma, such as '0,5': declare it: `--decimal ,`"),
        ([f"$ {row}.50" for row in range(80)], "amounts of money, such as '$ 0.50': write plain numbers"),
        ([f"{90 + row}/{60 + row}" for row in range(80)], "two numbers in a cell, such as '100/70': write each into a"),
        ([f"<{row}" if row % 2 else str(row) for row in range(80)], "numbers with < or >, such as '<1': write plain"),
    ],
)
def test_what_looks_like_a_number_and_is_none_is_said_with_what_to_do(cells, expected):
    line = line_of(people().assign(cell=cells), "cell")
    assert line.startswith("{type: ignore}")
    assert expected in line


def test_grades_that_begin_with_a_figure_are_words():
    line = line_of(people().assign(stage=[f"{1 + row % 3}{'ab'[row % 2]}" for row in range(80)]), "stage")
    assert line.endswith("# 6 different words")


def test_codes_with_leading_zeros_are_no_quantities():
    few = line_of(people().assign(zip=[f"{1067 + row % 9:05}" for row in range(80)]), "zip")
    assert few.startswith('{type: category, values: ["01067", "01068", ')
    assert "codes with leading zeros" in few
    many = line_of(people().assign(zip=[f"{1067 + 997 * (row % 40):05}" for row in range(80)]), "zip")
    assert many.startswith("{type: ignore}")
    assert "40 different texts, more than the 30 that a category may have; codes with leading zeros" in many
    ages = line_of(people().assign(age=[f"{row % 70:02}" for row in range(80)]), "age")
    assert ages.startswith("{type: number")


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_counts_the_rows_is_no_feature_and_says_what_it_would_be(first):
    counted = [row + first for row in range(80)]
    line = line_of(people().assign(line=counted), "line")
    assert line.startswith("{type: ignore}")
    assert "counts the rows, which a model must not learn from; if it was measured: {type: number, min: 0, max:" in line
    for other in (counted[::-1], [*counted[:-1], counted[-1] + 1], [row + 2 for row in counted]):
        assert line_of(people().assign(line=other), "line").startswith("{type: number")


def test_cells_of_several_values_are_told_from_constants(tmp_path):
    people().assign(parts=[{"a": row, "b": 1} for row in range(80)], many=[[1, 2]] * 80).to_parquet(
        path := tmp_path / "a.parquet"
    )
    text = draft_contract(path, "level", "people")
    assert text.count("holds several values in a cell; write each into a column of its own") == 2


@pytest.mark.parametrize("name", ["patient", "subject#", "patient_nbr", "Customer ID", "household_no"])
def test_a_column_that_names_what_has_several_rows_is_offered_as_the_group(name):
    frame = people().drop(columns="patient_id")
    text = draft_contract(frame.assign(**{name: [row // 4 for row in range(80)]}), "level", "people")
    assert f"if the rows of one {name} belong together, name it here" in text
    alone = draft_contract(frame.assign(**{name: range(80)}), "level", "people")
    assert "if the rows of one" not in alone


def test_each_task_has_its_own_rule_for_the_parts_of_its_labels():
    classes, values = (draft_contract(people(), label, "people") for label in ("level", "change"))
    assert "labelled_per_class_at_least: 2" in classes
    assert "per_band" not in classes
    assert "labelled_per_band_at_least: 0" in values
    assert "per_class" not in values


@pytest.mark.parametrize(
    ("change", "arguments", "expected"),
    [
        ({"level": ""}, {}, "no labelled row"),
        ({"level": "-1"}, {}, "no labelled row"),
        ({"level": "1"}, {}, "one class only .*; label some rows of another class too"),
        ({}, {"label": "levle"}, "did you mean `level`"),
        ({}, {"id": "recordid"}, "did you mean `record_id`"),
        ({}, {"group": "level"}, "`level` is the label, so it cannot be the id or the group too; name another column"),
        ({}, {"label": "smoker", "task": "regression"}, "a regression needs numbers; name another column"),
        ({"level": [f"w{row}" for row in range(200)]}, {}, "more than 100"),
    ],
)
def test_what_no_contract_can_be_made_of_gives_one_sentence(change, arguments, expected):
    frame = people(200).assign(**change)
    with pytest.raises(DataError, match=expected):
        draft_contract(frame, **{"label": "level", "name": "people", **arguments})


def test_a_file_without_column_names_is_recognised(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text("63.0,1.0,145.0,2\n67.0,1.0,160.0,1\n")
    with pytest.raises(DataError, match="first line looks like data"):
        draft_contract(path, "num", "raw")


def test_nothing_to_learn_from_is_said():
    frame = pd.DataFrame({"note": ["only one"] * 40, "y": ["u", "v"] * 20})
    with pytest.raises(DataError, match="nothing to learn from"):
        draft_contract(frame, "y", "t")


def test_a_list_of_images_is_told_apart_from_a_table_without_columns(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text("file,y\n" + "".join(f"{row}.png,{'uv'[row % 2]}\n" for row in range(40)))
    with pytest.raises(DataError, match="name its folder, if it lists images"):
        draft_contract(path, "y", "t")


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(
    lambda name: name not in RESERVED
)
words = st.one_of(
    st.sampled_from(
        ["yes", "no", "null", "~", "on", "1e3", "0x1F", "a: b", "#x", "- y", "'q'", '"', "%", "\u00fc", "1_0"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=6),
)
numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-1000, 1000).map(float))


@st.composite
def frames(draw):
    """Frames of which a contract can be drafted: with two classes, and a column that tells rows apart."""
    rows = draw(st.integers(11, 16))  # a column of ten numbers may hold a word
    columns = draw(st.lists(names, min_size=1, max_size=4, unique_by=str.strip))
    table = {}
    for column in columns:
        cells = draw(st.sampled_from([words, numbers, st.integers(0, 3)]))
        table[column] = draw(st.lists(st.one_of(st.none(), cells), min_size=rows, max_size=rows))
    others = draw(st.lists(st.sampled_from(["u", "v: w", "", "-1"]), min_size=rows - 2, max_size=rows - 2))
    table["the label"] = draw(st.permutations(["u", "v: w", *others]))
    table["the size"] = [row / 2 for row in range(rows)]
    table["the size"][draw(st.integers(0, rows - 1))] = draw(st.one_of(words, numbers))
    return pd.DataFrame(table, dtype=object)


@given(frames())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_file_a_contract_was_drafted_from_has_no_bad_row_but_for_odd_cells(tmp_path, frame):
    path = tmp_path / "f.csv"
    frame.to_csv(path, index=False)
    text = draft_contract(path, "the label", "t")
    contract = contract_of(text, tmp_path)
    batch = read_batch(path, contract)
    odd = {fault.column for part in batch.parts() for fault in part.faults}
    event("with odd cells" if odd else "without odd cells")
    said = {
        name: next(line for line in text.splitlines() if line.startswith(f"  {quoted(name)}: "))
        for name in contract.columns
    }
    assert odd == {name for name, line in said.items() if line.endswith("so such rows are refused")}
    assert sum(batch.manifest.labelled.values()) + batch.manifest.unlabelled == len(frame)


def test_a_csv_with_decimal_commas_is_drafted_as_it_is_declared(tmp_path):
    from ssgan.contract import TextFiles

    words, labels = ("gr\u00fcn", "ja"), ("v", "u", "u")
    rows = "".join(f"{row / 7:.3f};{words[row % 2]};{labels[row % 3]}\n" for row in range(40))
    path = tmp_path / "f.csv"
    path.write_bytes(("a;c;y\n" + rows.replace(".", ",")).encode("latin-1"))
    files = TextFiles(delimiter=";", encoding="latin-1", decimal=",")
    contract = contract_of(draft_contract(path, "y", "t", files=files), tmp_path)
    assert contract.files == files
    assert isinstance(contract.columns["a"], NumberColumn)
    assert not [fault for part in read_batch(path, contract).parts() for fault in part.faults]


def test_thousands_in_a_file_of_decimal_commas_are_no_fractions(tmp_path):
    from ssgan.contract import TextFiles

    path = tmp_path / "f.csv"
    rows = (f"{row},5;{1000 + 37 * row:_};{('v', 'u', '')[row % 3]}\n".replace("_", ".") for row in range(60))
    path.write_text("a;b;y\n" + "".join(rows))
    text = draft_contract(path, "y", "t", files=TextFiles(delimiter=";", decimal=","))
    assert "  b: {type: ignore}" in text
    assert "they look like numbers with marks between thousands, such as '1.000': write plain numbers" in text
    contract = contract_of(text, tmp_path)
    assert isinstance(contract.columns["a"], NumberColumn)
    assert not [fault for part in read_batch(path, contract).parts() for fault in part.faults]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([-200 if row % 10 == 0 else 600 + row for row in range(80)], "-200, in 8 rows, stands apart: if it means no"),
        ([-1 if row % 10 == 0 else row for row in range(80)], "-1, in 8 rows, stands apart"),
        ([999 if row % 10 else row for row in range(200)], "999, in 180 rows, stands apart"),
        ([row - 40 for row in range(80)], ""),
        ([99 if row % 10 else row for row in range(80)] + [*range(80, 99)], ""),
        ([999 if row == 7 else row for row in range(80)], ""),
    ],
)
def test_a_number_that_seems_to_mean_no_value_is_told(tmp_path, numbers, said):
    frame = pd.DataFrame({"a": numbers, "y": ["u", "v"] * (len(numbers) // 2) + ["u"] * (len(numbers) % 2)})
    line = line_of(frame, "a", "y")
    assert said in line
    assert ("stands apart" in line) == bool(said)
    text = draft_contract(frame.rename(columns={"a": "y", "y": "a"}), "y", "t", task="regression")
    assert ("stands apart" in text) == bool(said)


def test_words_that_differ_in_case_alone_are_told():
    frame = people().assign(level=["No", "no", "Yes", ""] * 20, answer=["a", "b", "B", "c"] * 20)
    text = draft_contract(frame, "level", "people")
    assert "all that the file has; 'No' and 'no' differ in case alone" in text
    assert line_of(frame, "answer").endswith("4 different words; 'B' and 'b' differ in case alone")


def test_a_table_with_more_columns_than_intake_can_judge_is_refused_in_a_moment(tmp_path, monkeypatch):
    monkeypatch.setattr("ssgan.intake.draft.COLUMNS_AT_MOST", 8)
    with pytest.raises(DataError, match=r"at most 10,000 columns, .*; there are 9: keep those that matter"):
        draft_contract(people(), "level", "many")
    monkeypatch.setattr("ssgan.contract.COLUMNS_AT_MOST", 8)
    columns = "".join(f"  c{place}: {{type: number}}\n" for place in range(9))
    with pytest.raises(ContractError, match="there are 9"):
        contract_of("name: wide\ntask: regression\nlabel: {column: y}\ncolumns:\n" + columns, tmp_path)


def test_the_index_that_pandas_writes_is_no_feature(tmp_path):
    pd.DataFrame({"a": [1.5, 2.5, 3.5], "y": ["u", "v", "u"]}).to_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"a column without a name \(column 1\); name it, or delete it: pandas"):
        draft_contract(tmp_path / "a.csv", "y", "t")
