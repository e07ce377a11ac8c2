"""Rows that come again: copies, repeats, late labels, conflicts; and the keys by which they are found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssgan.contract import Contract
from ssgan.intake.batch import read_batch
from ssgan.intake.identity import copies, copy_numbers, rewritten
from ssgan.intake.keys import among, near_keys, text_keys
from ssgan.intake.reference import read_reference
from ssgan.intake.validate import validate

CONTENT = {
    "name": "t",
    "task": "classification",
    "id": "id",
    "label": {"column": "y", "classes": ["ill", "well"]},
    "columns": {"a": {"type": "number"}, "c": {"type": "category", "values": ["u", "v"], "nullable": True}},
    "rules": {"labelled_at_least": 0, "labelled_per_class_at_least": 0, "refused_share_at_most": 1},
}


def contract(**changes):
    return Contract.model_validate(CONTENT | changes)


def table(**columns):
    rows = len(next(iter(columns.values())))
    base = {"id": [f"r{row}" for row in range(rows)], "a": np.arange(rows) + 0.5, "c": ["u"] * rows, "y": [""] * rows}
    return pd.DataFrame(base | columns)


def judged(frame, tmp_path, accepted=None, name="b.csv", **changes):
    made = contract(**changes)
    files = []
    if accepted is not None:
        files = [tmp_path / "accepted.parquet"]
        accepted.to_csv(tmp_path / "old.csv", index=False)
        old = validate(read_batch(tmp_path / "old.csv", made), made, read_reference([], made))
        pq.write_table(old.accepted, files[0])
    frame.to_csv(tmp_path / name, index=False)
    return validate(read_batch(tmp_path / name, made), made, read_reference(files, made))


OLD = table(y=["", "ill", "well", ""])


def changed(**cells):
    """The accepted rows again, with some cells changed: name=(row, value)."""
    frame = OLD.copy().astype(object)
    for column, (row, value) in cells.items():
        frame.loc[row, column] = value
    return frame


def after(found):
    """The accepted data once it is merged, as (id, a, c, label)."""
    (rewrite,) = found.repeats.rewrites
    return [tuple(row.values()) for row in rewritten(rewrite).select(["_id", "a", "c", "y"]).to_pylist()]


def test_a_row_that_comes_again_as_it_was_is_passed_over(tmp_path):
    fresh = pd.concat([OLD, table(y=["ill"]).assign(id="new")])
    found = judged(fresh, tmp_path, OLD)
    assert (found.verdict.rows_accepted, found.verdict.rows_repeated, found.verdict.rows_refused) == (1, 4, 0)
    assert found.verdict.labelled == {"ill": 1, "well": 0}
    assert found.accepted["_id"].to_pylist() == ["new"]
    assert found.repeats.rewrites == []


@pytest.mark.parametrize("policy", ["quarantine", "newest", "oldest"])
def test_a_late_label_is_merged_into_the_accepted_row(tmp_path, policy):
    found = judged(changed(y=(3, "ill")), tmp_path, OLD, conflicts=policy)
    assert (found.verdict.labels_added, found.verdict.rows_repeated, found.verdict.rows_accepted) == (1, 3, 0)
    assert found.verdict.labelled == {"ill": 1, "well": 0}
    assert after(found)[3] == ("r3", 3.5, "u", "ill")
    assert after(found)[:3] == [("r0", 0.5, "u", None), ("r1", 1.5, "u", "ill"), ("r2", 2.5, "u", "well")]
    assert "1 accepted rows got their label" in found.verdict.sentence


def test_a_row_that_lost_its_label_keeps_it(tmp_path):
    found = judged(changed(y=(1, "")), tmp_path, OLD)
    assert (found.verdict.rows_repeated, found.repeats.rewrites) == (4, [])


def test_another_label_goes_to_quarantine_wins_or_loses_as_the_contract_says(tmp_path):
    other = changed(y=(1, "well"))
    found = judged(other, tmp_path, OLD)
    assert [(row.row, row.rule, row.column, row.value) for row in found.verdict.refused] == [
        (2, "label conflict", "y", "well")
    ]
    assert found.quarantine["_reasons"].to_pylist() == ["y = 'well': label conflict"]
    newest = judged(other, tmp_path, OLD, conflicts="newest")
    assert newest.verdict.labels_changed == 1
    assert newest.verdict.labelled == {"ill": -1, "well": 1}
    assert after(newest)[1] == ("r1", 1.5, "u", "well")
    oldest = judged(other, tmp_path, OLD, conflicts="oldest")
    assert (oldest.verdict.rows_repeated, oldest.repeats.rewrites) == (4, [])


def test_other_values_go_to_quarantine_win_or_lose_as_the_contract_says(tmp_path):
    other = changed(a=(1, 9.0), y=(0, "well"))
    found = judged(other, tmp_path, OLD)
    assert [(row.row, row.rule, row.column) for row in found.verdict.refused] == [(2, "row changed", "a")]
    assert found.verdict.labels_added == 1
    newest = judged(other, tmp_path, OLD, conflicts="newest")
    assert newest.verdict.rows_replaced == 1
    assert after(newest)[:2] == [("r0", 0.5, "u", "well"), ("r1", 9.0, "u", "ill")]
    oldest = judged(other, tmp_path, OLD, conflicts="oldest")
    assert after(oldest)[:2] == [("r0", 0.5, "u", "well"), ("r1", 1.5, "u", "ill")]


def test_a_missing_cell_equals_a_missing_cell(tmp_path):
    old = table(y=["", "ill"], c=["", "u"])
    assert judged(old, tmp_path, old).verdict.rows_repeated == 2


@pytest.mark.parametrize(
    ("policy", "kept", "refused"),
    [("quarantine", ["r1"], [1, 3, 4]), ("first", ["r0", "r1"], [3, 4]), ("last", ["r1", "r0"], [1, 3])],
)
def test_copies_within_a_batch_are_treated_as_the_contract_says(tmp_path, policy, kept, refused):
    frame = table(y=["ill", "", "", "well"], id=["r0", "r1", "r0", "r0"])
    found = judged(frame, tmp_path, duplicates=policy)
    assert found.accepted["_id"].to_pylist() == kept
    assert [row.row for row in found.verdict.refused] == refused
    assert {row.rule for row in found.verdict.refused} == {"duplicate id"}


def test_a_bad_copy_does_not_push_out_the_good_one(tmp_path):
    frame = table(y=["ill", ""], id=["r0", "r0"]).astype(object)
    frame.loc[0, "a"] = "wide"
    found = judged(frame, tmp_path, duplicates="first")
    assert found.accepted.num_rows == 1
    assert [(row.row, row.rule) for row in found.verdict.refused] == [(1, "not a number")]


def test_without_an_id_equal_rows_are_one_row_if_the_contract_says_so(tmp_path):
    old = table(y=["", "ill"]).drop(columns="id")
    late = old.assign(y=["well", "ill"])
    found = judged(late, tmp_path, old, id=None, duplicates="first")
    assert (found.verdict.labels_added, found.verdict.rows_repeated) == (1, 1)
    kept = judged(late, tmp_path, old, id=None)
    assert kept.verdict.rows_accepted == 2
    assert all(name.endswith("-1") for name in kept.accepted["_id"].to_pylist())


@given(st.lists(st.text(max_size=6), min_size=1, max_size=60))
def test_two_texts_have_one_key_only_if_they_are_equal(words):
    keys = text_keys(pa.array(words, pa.string()))
    assert len(set(keys.tolist())) == len(set(words))
    parts = [text_keys(pa.array(words, pa.string()).slice(at, 7)) for at in range(0, len(words), 7)]
    assert np.concatenate(parts).tolist() == keys.tolist()


def test_keys_of_many_ids_differ():
    keys = text_keys(pa.array([f"patient-{number:07d}" for number in range(200_000)]))
    assert len(np.unique(keys)) == 200_000
    assert (
        np.abs(np.mean([(keys >> np.uint64(bit)) & np.uint64(1) for bit in (0, 1, 31, 63)], axis=1) - 0.5).max() < 0.01
    )


@given(st.lists(st.integers(0, 5), max_size=40), st.lists(st.integers(0, 5), max_size=10))
def test_a_copys_number_is_how_many_came_before(words, accepted):
    keys = np.array(words, np.uint64) + np.uint64(1)
    known = np.sort(np.array(accepted, np.uint64) + np.uint64(1))
    expected = [words[:row].count(word) + accepted.count(word) for row, word in enumerate(words)]
    assert copy_numbers(keys, known).tolist() == expected
    good = np.ones(len(keys), bool)
    assert copies(keys, good, "quarantine").tolist() == [words.count(word) > 1 for word in words]
    assert among(keys, known).tolist() == [word in accepted for word in words]


def test_rows_that_agree_to_three_digits_are_near():
    columns = [pa.array([1.2341, 1.2349, 1.25, -0.0, 0.0]), pa.array(["u", "u", "u", None, None])]
    keys = near_keys(columns)
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == keys[4]
