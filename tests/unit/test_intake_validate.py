"""Verdicts: which rows are refused, and when a batch is."""

from __future__ import annotations

import io
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ssgan.contract import Contract
from ssgan.intake.batch import read_batch
from ssgan.intake.drift import summarise_numbers, summarise_words
from ssgan.intake.identity import copies, copy_numbers
from ssgan.intake.keys import text_keys
from ssgan.intake.reference import Reference, read_reference
from ssgan.intake.validate import frame_of, validate

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
        rows=len(table),
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
    untouched = pa.concat_tables(batch.source.parts()).to_pandas().iloc[quarantine["_row"] - 1].reset_index(drop=True)
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
    (part,) = batch.parts()
    everything = frame_of(part, CONTRACT, np.ones(60, bool))
    # The accepted format has no value where a cell breaks a rule, so each fault shows as a missing value there.
    raw = everything.assign(a=pd.to_numeric(part.table.to_pandas()["a"], errors="coerce"))
    found = expectations.broken_rows(raw, CONTRACT)
    ours = {(fault.rule, fault.column): np.flatnonzero(fault.rows).tolist() for fault in part.faults}
    assert found[("range", "a")] == sorted(ours[("infinite", "a")] + ours[("outside range", "a")])
    assert found[("missing", "a")] == sorted(ours[("missing", "a")] + ours[("not a number", "a")])
    assert found[("missing", "patient")] == ours[("missing", "patient")]
    assert found[("missing", "c")] == sorted(ours[("unknown value", "c")] + ours[("text too long", "c")])
    assert ("missing", "n") not in found
    good = frame_of(part, CONTRACT, part.good)
    assert expectations.broken_rows(good, CONTRACT) == {}
    assert all(rule.passed for rule in expectations.judge_rows(good, CONTRACT))
    keys = text_keys(part.rows["_id"].combine_chunks())
    assert not expectations.judge_unique(keys, "id").passed
    assert expectations.judge_unique(keys[~copies(keys, part.good, "quarantine")], "id").passed


def test_columns_that_are_judged_in_shares_are_judged_alike(tmp_path, monkeypatch):
    from great_expectations import expectations as gxe

    from ssgan.intake import expectations

    batch = batch_of(defective(), tmp_path)
    (part,) = batch.parts()
    rows = frame_of(part, CONTRACT, np.ones(60, bool))
    own = [
        gxe.ExpectColumnPairValuesToBeEqual(column_A="a", column_B="n", meta={"suite": "mine"}),  # of two shares
        gxe.ExpectTableRowCountToEqual(value=60, meta={"suite": "mine"}),
        gxe.ExpectColumnMaxToBeBetween(column="n", max_value=1e9, meta={"suite": "mine"}),
    ]
    at_once = [f(rows, CONTRACT) for f in (expectations.judge_rows, expectations.broken_rows)]
    own_at_once = expectations.judge_own(rows, own)
    assert at_once[1]
    monkeypatch.setattr(expectations, "COLUMNS", 1)
    assert [f(rows, CONTRACT) for f in (expectations.judge_rows, expectations.broken_rows)] == at_once
    assert expectations.judge_own(rows, own) == own_at_once


def test_columns_whose_names_differ_only_in_case_or_quotes_are_judged_each_by_itself(tmp_path, monkeypatch):
    import json

    from ssgan.intake import expectations

    limits = {"b": 900, "B": 1, "`b`": 5}
    columns = {name: {"type": "number", "min": 0, "max": limit} for name, limit in limits.items()}
    label = {"column": "y", "classes": ["ill", "well"]}
    contract = Contract.model_validate({**CONTENT, "id": None, "group": None, "label": label, "columns": columns})
    table = pd.DataFrame({**{name: [0, limit] * 4 for name, limit in limits.items()}, "y": ["ill", "well"] * 4})
    rule = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "B", "max_value": 1}}
    (tmp_path / "mine.json").write_text(json.dumps({"name": "mine", "expectations": [rule]}))
    for shares in (200, 1):
        monkeypatch.setattr(expectations, "COLUMNS", shares)
        verdict = validate(batch_of(table, tmp_path, contract), contract, Reference(), own=tmp_path).verdict
        assert verdict.decision == "accept", verdict.sentence
        assert {rule.column for rule in verdict.rules if rule.rule == "range"} == {*limits}
        wrong = table.assign(B=[0, 1, 2, 1] * 2)
        assert expectations.broken_rows(wrong, contract) == {("range", "B"): [2, 6]}


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


@pytest.mark.parametrize(
    ("column", "value", "contract", "hint"),
    [
        (
            "a",
            "14.1",
            {"files": {"delimiter": ";", "decimal": ","}},
            "not a number; files.decimal of the contract is ','",
        ),
        ("a", "99", {}, "outside range; -10..10 in the contract"),
        ("c", "U", {}, "unknown value; did you mean 'u'?"),
        ("c", "blue", {}, "unknown value; there are 'u', 'v'"),
        ("y", "ILL", {}, "unknown label; did you mean 'ill'?"),
        ("y", "dead", {}, "unknown label; there are 'ill', 'well'"),
    ],
)
def test_the_first_refused_row_says_what_would_be_right(tmp_path, column, value, contract, hint):
    rules = {"labelled_at_least": 0, "labelled_per_class_at_least": 0, "unknown_label_rows_at_most": 99}
    made = Contract.model_validate(
        {
            **{"name": "t", "task": "classification", "label": {"column": "y", "classes": ["ill", "well"]}},
            "columns": {
                "a": {"type": "number", "min": -10, "max": 10},
                "c": {"type": "category", "values": ["u", "v"]},
            },
            **{"rules": rules, **contract},
        }
    )
    mark = made.files.delimiter
    path = tmp_path / "batch.csv"
    path.write_text(mark.join("acy") + "\n" + mark.join(({"a": "1", "c": "u", "y": "ill"} | {column: value}).values()))
    sentence = validate(read_batch(path, made), made, Reference()).verdict.sentence
    assert f"first row 1: `{column}` = {value!r} ({hint})" in sentence


def test_a_column_without_a_name_is_told_to_be_named_or_deleted(tmp_path):
    batch = batch_of(frame(20).assign(**{"": None}), tmp_path)
    sentence = validate(batch, CONTRACT, Reference()).verdict.sentence
    assert "a column without a name is not in the contract (name it, or delete it)" in sentence


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
    known = np.sort(text_keys(pa.array(accepted["_group"].tolist())))
    assert copy_numbers(text_keys(pa.array(accepted["_group"][:1].tolist())), known).tolist() == [2]


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
    (part,) = batch_of(table, tmp_path, contract, "p.parquet").parts()
    summaries = {name: summarise_numbers(values[part.good]) for name, values in part.aspects.items()}
    reference = Reference(columns=summaries)
    darker = validate(batch_of(pictures(80, 60, 1), tmp_path, contract, "q.parquet"), contract, reference)
    assert failed(darker) == {"drifted columns"}
    assert "digit.brightness" in darker.verdict.sentence


def test_what_was_measured_of_accepted_images_is_remembered_and_a_file_cut_short_is_measured_again(tmp_path):
    contract = Contract.model_validate(
        {**CONTENT, "id": None, "group": None, "columns": {"digit": {"type": "image", "height": 8, "width": 8}}}
    )
    judged = validate(batch_of(pictures(40, 120, 0), tmp_path, contract, "p.parquet"), contract, Reference())
    pq.write_table(judged.accepted, tmp_path / "accepted.parquet")
    first = read_reference([tmp_path / "accepted.parquet"], contract, tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("ssgan.intake.reference.image_cells")  # nothing is decoded
        assert read_reference([tmp_path / "accepted.parquet"], contract, tmp_path / "kept").columns == first.columns
    os.truncate(kept, 100)
    assert read_reference([tmp_path / "accepted.parquet"], contract, tmp_path / "kept").columns == first.columns
    assert first.columns == read_reference([tmp_path / "accepted.parquet"], contract).columns


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


def with_rules(severity=None, **rules):
    content = {**CONTENT, "rules": {"labelled_at_least": 0, "labelled_per_class_at_least": 0, **rules}}
    return Contract.model_validate({**content, "severity": severity or {}})


def failing(table, tmp_path, contract, reference=None, severity="critical"):
    judged = validate(batch_of(table, tmp_path, contract), contract, reference or Reference())
    return {rule.rule for rule in judged.verdict.rules if not rule.passed and rule.severity == severity}


def labelled_as(words):
    return frame(len(words)).assign(y=words)


@pytest.mark.parametrize(
    ("rules", "words", "broken"),
    [
        ({"batch_labelled_at_least": 3}, ["ill", "well", None, None], {"labelled rows"}),
        ({"batch_labelled_at_least": 2}, ["ill", "well", None, None], set()),
        ({"batch_labelled_per_class_at_least": 1}, ["ill", "ill", None, None], {"labels per class"}),
        ({"labelled_share_at_least": 0.6}, ["ill", "well", None, None], {"labelled share"}),
        ({"labelled_share_at_most": 0.4}, ["ill", "well", None, None], {"labelled share"}),
        ({"labelled_share_at_least": 0.5, "labelled_share_at_most": 0.5}, ["ill", "well", None, None], set()),
        ({"refused_rows_at_most": 0}, ["ill", "well", None, "maybe"], {"refused rows", "refused share"}),
        ({"refused_rows_at_most": 1, "refused_share_at_most": 1}, ["ill", "well", None, "maybe"], set()),
    ],
)
def test_quotas_and_limits_of_a_batch(tmp_path, rules, words, broken):
    assert failing(labelled_as(words), tmp_path, with_rules(**rules)) == broken


def test_quotas_of_bands_of_values(tmp_path):
    content = {
        **CONTENT,
        "task": "regression",
        "label": {"column": "y", "bands": [10, 20], "unlabelled": ["-9"]},
        "rules": {"labelled_at_least": 0, "batch_labelled_per_band_at_least": 2},
    }
    contract = Contract.model_validate(content)
    table = frame(8).assign(y=[1, 2, 10, 12, 25, -9, -9.0, None])
    judged = validate(batch_of(table, tmp_path, contract), contract, Reference())
    assert [rule.message for rule in judged.verdict.rules if rule.rule == "labels per band" and not rule.passed] == [
        "values in 20..inf: 1 labelled rows in the batch, of at least 2"
    ]
    assert judged.verdict.manifest.labelled == {"labelled": 5}


def test_severity_decides_between_quarantine_reject_and_a_note(tmp_path):
    table = frame(60)
    table.loc[7, "a"] = 99.0
    assert validate(batch_of(table, tmp_path), CONTRACT, Reference()).verdict.decision == "accept with quarantine"
    strict = with_rules({"outside range": "critical"})
    assert failing(table, tmp_path, strict) == {"outside range"}
    lenient = with_rules({"outside range": "info"})
    judged = validate(batch_of(table, tmp_path, lenient), lenient, Reference())
    assert judged.verdict.decision == "accept"
    assert judged.accepted["a"].to_pylist()[7] == 99.0
    assert failing(table, tmp_path, lenient, severity="info") == {"outside range"}
    table.loc[:30, "a"] = 99.0
    warned = with_rules({"refused share": "warning"})
    judged = validate(batch_of(table, tmp_path, warned), warned, Reference())
    assert judged.verdict.decision == "accept with quarantine"
    assert "warning: 31 of 60 rows are refused" in judged.verdict.sentence


def test_many_rows_with_one_unknown_label_look_like_a_new_class(tmp_path):
    table = frame(100)
    table.loc[:5, "y"] = "recovering"
    assert failing(table, tmp_path, with_rules(), severity="warning") == {"new class"}
    assert failing(table, tmp_path, with_rules(unknown_label_rows_at_most=6), severity="warning") == set()


def test_shifted_labels_and_shares_are_said(tmp_path):
    reference = Reference(rows=400, labelled={"ill": 150, "well": 50})
    words = ["well"] * 80 + ["ill"] * 20
    assert failing(labelled_as(words), tmp_path, with_rules(), reference, "warning") == {"label drift"}
    shares = with_rules({"labelled share drift": "critical"}, labelled_share_drift_at_most=0.1)
    assert failing(labelled_as(words), tmp_path, shares, reference) == {"labelled share drift"}
    same = ["ill"] * 75 + ["well"] * 25 + [None] * 100
    assert failing(labelled_as(same), tmp_path, with_rules(), reference, "warning") == set()


def test_labelled_rows_with_an_unlabelled_twin_are_counted(tmp_path):
    table = frame(40).assign(y=["ill"] * 10 + [None] * 30)
    table.loc[10:13, ["a", "n", "c"]] = table.loc[0:3, ["a", "n", "c"]].to_numpy()
    contract = with_rules(near_duplicate_share_at_most=0.3)
    judged = validate(batch_of(table, tmp_path, contract), contract, Reference())
    assert [rule.value for rule in judged.verdict.rules if rule.rule == "near duplicates"] == [0.4]
    assert "warning: 4 labelled rows (40.0%)" in judged.verdict.sentence


def test_columns_that_change_their_relation_drift_jointly(tmp_path):
    from ssgan.intake.reference import read_reference

    contract = with_rules({"joint drift": "critical"})
    rng = np.random.default_rng(5)
    first = frame(600).assign(n=rng.permutation(600) % 9)
    second = first.assign(id=first["id"] + 1000, a=np.sort(first["a"]), n=np.sort(first["n"]))
    judged = validate(batch_of(first, tmp_path, contract), contract, Reference())
    import pyarrow.parquet as pq

    pq.write_table(judged.accepted, tmp_path / "accepted.parquet")
    reference = read_reference([tmp_path / "accepted.parquet"], contract)
    found = validate(batch_of(second, tmp_path, contract), contract, reference)
    assert not any(each.drifted for each in found.verdict.drift)
    assert failed(found) == {"joint drift"}
    same = frame(300, seed=9, start=2000)
    assert failing(same, tmp_path, contract, reference) == set()


def test_a_limit_of_a_column_comes_before_the_one_of_all(tmp_path):
    columns = {**CONTENT["columns"], "a": {**CONTENT["columns"]["a"], "drift_at_most": 0.9}}
    contract = Contract.model_validate({**CONTENT, "columns": columns})
    reference = reference_of(frame(300, seed=1, start=1000))
    found = validate(batch_of(frame(100, seed=2, shift=1.0), tmp_path, contract), contract, reference)
    assert found.verdict.decision == "accept"
    assert found.verdict.drift[0].limit == 0.9


def test_the_users_own_expectations_are_judged_too(tmp_path):
    import json

    from ssgan.errors import ContractError

    folder = tmp_path / "expectations"
    folder.mkdir()
    for severity in ("critical", "warning"):
        rule = {
            "type": "expect_column_mean_to_be_between",
            "kwargs": {"column": "a", "min_value": 3},
            "severity": severity,
        }
        (folder / "means.json").write_text(json.dumps({"name": "means", "expectations": [rule]}))
        judged = validate(batch_of(frame(60), tmp_path), CONTRACT, Reference(), own=folder)
        assert judged.verdict.decision == ("reject" if severity == "critical" else "accept")
        assert "expect_column_mean_to_be_between of `a` does not hold" in judged.verdict.sentence
    (folder / "means.json").write_text("{")
    with pytest.raises(ContractError, match=r"means\.json is no suite"):
        validate(batch_of(frame(60), tmp_path), CONTRACT, Reference(), own=folder)
