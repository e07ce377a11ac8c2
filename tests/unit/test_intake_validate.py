"""Verdicts: which rows are refused, and when a batch is."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from ssgan.contract import Contract
from ssgan.intake.batch import judge_rows, number_copies, read_batch
from ssgan.intake.drift import summarise_numbers, summarise_words
from ssgan.intake.reference import Reference
from ssgan.intake.validate import frame_of, list_refused, validate

CONTENT = {
    "name": "t",
    "task": "classification",
    "id": "id",
    "group": "patient",
    "label": {"column": "y", "classes": ["ill", "well"]},
    "columns": {
        "a": {"type": "number", "min": -10, "max": 10},
        "n": {"type": "number", "min": 0, "integer": True, "nullable": True},
        "c": {"type": "category", "values": ["u", "v"]},
        "note": {"type": "ignore"},
    },
    "rules": {"labelled_at_least": 4},
}
CONTRACT = Contract.model_validate(CONTENT)


def frame(rows, seed=0, shift=0.0, start=0):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(rows) < 0.3, rng.choice(["ill", "well"], rows), None)
    return pd.DataFrame(
        {
            "id": np.arange(start, start + rows),
            "patient": np.arange(start, start + rows) // 2,
            "a": rng.normal(shift, 1, rows),
            "n": rng.integers(0, 9, rows),
            "c": rng.choice(["u", "v"], rows, p=[0.7, 0.3]),
            "y": labels,
        }
    )


def defective():
    table = frame(60).astype(object)
    table["note"] = "z" * 20_000  # ignored, however long
    for row, column, value in [
        (2, "a", "abc"),
        (3, "a", np.inf),
        (4, "a", -11),
        (5, "a", None),
        (6, "n", 1.5),
        (7, "c", "w"),
        (8, "y", "maybe"),
        (9, "id", 10),
        (11, "patient", None),
        (12, "c", "x" * 10_001),
    ]:
        table.loc[row, column] = value
    return table


REFUSED = {
    (3, "not a number", "a", "abc"),
    (4, "infinite", "a", "inf"),
    (5, "outside range", "a", "-11"),
    (6, "missing", "a", ""),
    (7, "not an integer", "n", "1.5"),
    (8, "unknown value", "c", "w"),
    (9, "unknown label", "y", "maybe"),
    (10, "duplicate id", "id", "10"),
    (11, "duplicate id", "id", "10"),
    (12, "missing", "patient", ""),
    (13, "text too long", "c", "x" * 80),
}


def batch_of(table, tmp_path, contract=CONTRACT, name="batch.csv"):
    path = tmp_path / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return read_batch(path, contract)


def reference_of(table):
    return Reference(
        ids=pa.array(table["id"].astype(str).tolist()),
        labelled=table["y"].value_counts().to_dict(),
        columns={
            "a": summarise_numbers(table["a"].to_numpy(float)),
            "n": summarise_numbers(table["n"].to_numpy(float)),
            "c": summarise_words(table["c"].value_counts().to_dict()),
        },
    )


def failed(judged):
    return {rule.rule for rule in judged.verdict.rules if not rule.passed}


def test_every_refused_row_has_its_number_rule_and_value(tmp_path):
    judged = validate(batch_of(defective(), tmp_path), CONTRACT, Reference())
    found = {(each.row, each.rule, each.column, each.value) for each in judged.verdict.refused}
    assert found == REFUSED
    assert judged.verdict.decision == "accept with quarantine"
    assert judged.verdict.rows_refused == len({row for row, *_ in REFUSED})
    assert judged.verdict.rows_accepted == judged.accepted.num_rows == 60 - judged.verdict.rows_refused
    assert next(each.id for each in judged.verdict.refused if each.row == 3) == "2"


def test_the_quarantine_holds_the_rows_as_they_arrived(tmp_path):
    table = defective()
    table.loc[3, "c"] = " u "
    batch = batch_of(table, tmp_path)
    quarantine = validate(batch, CONTRACT, Reference()).quarantine.to_pandas()
    assert list(quarantine.columns) == ["_row", "_reasons", *batch.manifest.columns]
    assert quarantine["_row"].tolist() == sorted({row for row, *_ in REFUSED})
    untouched = batch.table.to_pandas().iloc[quarantine["_row"] - 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(quarantine.drop(columns=["_row", "_reasons"]), untouched)
    assert quarantine.loc[0, "_reasons"] == "a = 'abc': not a number"


def test_accepted_rows_have_the_agreed_columns_and_types(tmp_path):
    accepted = validate(batch_of(defective(), tmp_path), CONTRACT, Reference()).accepted
    kinds = [pa.string(), pa.string(), pa.float64(), pa.float64(), pa.string(), pa.string()]
    assert accepted.schema == pa.schema(zip(["_id", "_group", "a", "n", "c", "y"], kinds, strict=True))
    assert accepted["_id"].to_pylist()[:4] == ["0", "1", "13", "14"]
    assert accepted["_group"].to_pylist()[:4] == ["0", "0", "6", "7"]
    assert set(accepted["y"].to_pylist()) == {"ill", "well", None}


def test_great_expectations_and_the_row_masks_agree(tmp_path):
    from ssgan.intake import expectations

    batch = batch_of(defective(), tmp_path)
    rows = judge_rows(batch, CONTRACT, Reference().ids)
    everything = frame_of(rows, CONTRACT, np.ones(60, bool))
    # The accepted format has no value where a cell breaks a rule, so each fault shows as a missing value there.
    raw = everything.assign(a=pd.to_numeric(batch.table.to_pandas()["a"], errors="coerce"))
    found = expectations.judge(raw, expectations.row_suite(CONTRACT), rows=True).unexpected
    ours = {}
    for each in list_refused(batch, rows, CONTRACT):
        ours.setdefault((each.rule, each.column), []).append(each.row - 1)
    assert found[("range", "a")] == sorted(ours[("infinite", "a")] + ours[("outside range", "a")])
    assert found[("missing", "a")] == sorted(ours[("missing", "a")] + ours[("not a number", "a")])
    assert found[("unique id", "id")] == ours[("duplicate id", "id")]
    assert found[("missing", "patient")] == ours[("missing", "patient")]
    assert found[("missing", "c")] == sorted(ours[("unknown value", "c")] + ours[("text too long", "c")])
    assert ("missing", "n") not in found
    good = expectations.judge(frame_of(rows, CONTRACT, ~rows.refused), expectations.row_suite(CONTRACT), rows=True)
    assert good.unexpected == {}
    assert all(rule.passed for rule in good.rules)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_csv_and_parquet_of_the_same_rows_give_the_same_accepted_rows(tmp_path, suffix):
    accepted = validate(batch_of(frame(60), tmp_path, name=f"b.{suffix}"), CONTRACT, Reference()).accepted
    again = validate(batch_of(frame(60), tmp_path, name="c.csv"), CONTRACT, Reference()).accepted
    assert accepted.equals(again)


def test_wrong_columns_reject_the_batch_and_are_named(tmp_path):
    table = frame(60).rename(columns={"patient": "patent"}).drop(columns="n")
    judged = validate(batch_of(table, tmp_path), CONTRACT, Reference())
    assert judged.verdict.decision == "reject"
    assert judged.accepted is None
    assert judged.quarantine is None
    sentence = judged.verdict.sentence
    assert "column `patent` is not in the contract (did you mean `patient`?)" in sentence
    assert "column `n` is missing" in sentence


def test_too_many_bad_rows_reject_the_batch(tmp_path):
    table = frame(60).astype(object)
    table.loc[:19, "a"] = "abc"
    judged = validate(batch_of(table, tmp_path), CONTRACT, Reference())
    assert failed(judged) == {"refused share"}
    assert "20 of 60 rows are refused (33%, at most 20%)" in judged.verdict.sentence
    table["a"] = "abc"
    assert failed(validate(batch_of(table, tmp_path), CONTRACT, Reference())) == {"refused share", "good rows"}


def test_too_few_labels_reject_a_batch_unless_the_accepted_data_has_them(tmp_path):
    table = frame(60)
    table["y"] = None
    batch = batch_of(table, tmp_path)
    judged = validate(batch, CONTRACT, Reference())
    assert failed(judged) == {"labelled rows", "labels per class"}
    assert "class `ill`: 0 labelled rows" in judged.verdict.sentence
    enough = Reference(labelled={"ill": 5, "well": 5})
    assert validate(batch, CONTRACT, enough).verdict.decision == "accept"


def test_a_class_without_labels_is_named(tmp_path):
    table = frame(60)
    table.loc[table["y"] == "ill", "y"] = None
    judged = validate(batch_of(table, tmp_path), CONTRACT, Reference())
    assert failed(judged) == {"labels per class"}
    assert "class `ill`: 0 labelled rows with the accepted data, of at least 2" in judged.verdict.sentence


def test_an_id_that_is_accepted_already_is_refused(tmp_path):
    judged = validate(batch_of(frame(60), tmp_path), CONTRACT, reference_of(frame(5)))
    assert [each.row for each in judged.verdict.refused] == [1, 2, 3, 4, 5]
    assert {each.rule for each in judged.verdict.refused} == {"id already accepted"}


def test_the_same_distribution_is_accepted_and_a_shifted_one_is_not(tmp_path):
    reference = reference_of(frame(300, seed=1, start=1000))
    same = validate(batch_of(frame(100, seed=2), tmp_path), CONTRACT, reference)
    assert same.verdict.decision == "accept"
    assert not any(each.drifted for each in same.verdict.drift)
    shifted = validate(batch_of(frame(100, seed=2, shift=1.0), tmp_path), CONTRACT, reference)
    assert failed(shifted) == {"drifted columns"}
    assert [each.column for each in shifted.verdict.drift if each.drifted] == ["a"]
    assert "`a` 0." in shifted.verdict.sentence


def test_a_column_without_any_value_does_not_drift(tmp_path):
    table = frame(60)
    table["n"] = None
    verdict = validate(batch_of(table, tmp_path), CONTRACT, reference_of(frame(60, start=100))).verdict
    assert verdict.decision == "accept"


def test_rows_without_id_are_named_by_content_and_copies_are_numbered(tmp_path):
    contract = Contract.model_validate(
        {**CONTENT, "id": None, "group": None, "columns": {k: CONTENT["columns"][k] for k in "anc"}}
    )
    table = pd.concat([frame(30), frame(30).iloc[:2]]).drop(columns=["id", "patient"])
    table.loc[0, "y"] = "ill"  # a label does not make another row
    accepted = validate(batch_of(table, tmp_path, contract), contract, Reference()).accepted.to_pandas()
    assert accepted["_id"].is_unique
    assert accepted["_group"].nunique() == 30
    assert accepted["_id"][30] == accepted["_id"][0] + "-1"
    assert accepted["_group"][30] == accepted["_group"][0]
    later = number_copies(pa.array(accepted["_group"][:1].tolist()), pa.array(accepted["_id"].tolist()))
    assert later.to_pylist() == [accepted["_id"][0] + "-2"]


def pictures(count, level, seed):
    rng = np.random.default_rng(seed)
    cells = []
    for _ in range(count):
        buffer = io.BytesIO()
        pixels = np.clip(rng.normal(level, 30, (8, 8)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        cells.append(buffer.getvalue())
    return pd.DataFrame({"digit": cells, "y": rng.choice(["ill", "well"], count)})


def test_images_are_judged_by_size_and_their_drift_by_brightness_and_contrast(tmp_path):
    contract = Contract.model_validate(
        {**CONTENT, "id": None, "group": None, "columns": {"digit": {"type": "image", "height": 8, "width": 8}}}
    )
    table = pictures(80, 120, 0)
    table.loc[5, "digit"] = b"no png"
    judged = validate(batch_of(table, tmp_path, contract, "p.parquet"), contract, Reference())
    assert [(each.row, each.rule) for each in judged.verdict.refused] == [(6, "not a PNG of the declared size")]
    assert judged.accepted["digit"].type == pa.binary()
    rows = judge_rows(batch_of(table, tmp_path, contract, "p.parquet"), contract, Reference().ids)
    summaries = {name: summarise_numbers(values[~rows.refused]) for name, values in rows.aspects.items()}
    reference = Reference(columns=summaries)
    darker = validate(batch_of(pictures(80, 60, 1), tmp_path, contract, "q.parquet"), contract, reference)
    assert failed(darker) == {"drifted columns"}
    assert "digit.brightness" in darker.verdict.sentence


def test_a_regression_counts_its_labels(tmp_path):
    contract = Contract.model_validate(
        {**CONTENT, "task": "regression", "label": {"column": "y", "min": 0}, "rules": {"labelled_at_least": 3}}
    )
    table = frame(60)
    table["y"] = np.where(np.arange(60) < 4, 1.5, np.nan)
    table.loc[0, "y"] = -1
    verdict = validate(batch_of(table, tmp_path, contract), contract, Reference()).verdict
    assert verdict.labelled == {"labelled": 3}
    assert [(each.row, each.rule) for each in verdict.refused] == [(1, "label outside range")]
