"""A batch gives the same verdict and the same rows in however many parts it is read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssgan.contract import Contract
from ssgan.intake import read
from ssgan.intake.batch import read_batch
from ssgan.intake.reference import read_reference
from ssgan.intake.validate import validate

CONTENT = {
    "name": "t",
    "task": "classification",
    "id": "id",
    "label": {"column": "y", "classes": ["ill", "well"]},
    "columns": {
        "a": {"type": "number", "min": -3, "max": 3},
        "c": {"type": "category", "values": ["u", "v"], "nullable": True},
    },
    "rules": {"labelled_at_least": 2, "labelled_per_class_at_least": 0, "near_duplicate_share_at_most": 0.5},
}
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """Accepted rows r0..r59."""
    folder = tmp_path_factory.mktemp("accepted")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(60)],
            "a": rng.uniform(-2, 2, 60),
            "c": rng.choice(["u", "v"], 60),
            "y": rng.choice(["ill", "well", ""], 60),
        }
    )
    frame.to_csv(folder / "first.csv", index=False)
    contract = Contract.model_validate(CONTENT)
    pq.write_table(
        validate(read_batch(folder / "first.csv", contract), contract, read_reference([], contract)).accepted,
        folder / "accepted.parquet",
    )
    return folder / "accepted.parquet", frame


rows = st.tuples(
    st.integers(0, 90),  # ids: some accepted, some twice
    st.one_of(st.floats(-2, 2), st.sampled_from([9.0, float("inf"), float("nan")])),
    st.sampled_from(["u", "v", "w", None]),
    st.sampled_from(["ill", "well", "maybe", None, ""]),
)


@given(
    st.lists(rows, min_size=1, max_size=80),
    st.integers(1, 40),
    st.sampled_from(["quarantine", "first", "last"]),
    st.sampled_from(["quarantine", "newest", "oldest"]),
    st.booleans(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
def test_the_verdict_does_not_depend_on_the_parts(tmp_path, accepted, cells, size, duplicates, conflicts, named):
    contract = Contract.model_validate(
        CONTENT | {"duplicates": duplicates, "conflicts": conflicts} | ({} if named else {"id": None})
    )
    file, before = accepted
    frame = pd.DataFrame(cells, columns=["id", "a", "c", "y"])
    frame["id"] = "r" + frame["id"].astype(str)
    if not named:
        frame, before = frame.drop(columns="id"), before.drop(columns="id")
    path = tmp_path / "batch.parquet"
    frame.to_parquet(path, index=False, row_group_size=7)
    found = []
    for rows_at_once in (10_000, size):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(read, "PART_ROWS", rows_at_once)
            batch = read_batch(path, contract)
            judged = validate(batch, contract, read_reference([file], contract))
            rejected = judged.verdict.decision == "reject"
            found.append(
                (
                    judged.verdict.model_copy(
                        update={"manifest": judged.verdict.manifest.model_copy(update={"seen_at": ""})}
                    ),
                    None if rejected else judged.accepted.combine_chunks().to_pylist(),
                    None if rejected or judged.quarantine is None else str(judged.quarantine.to_pylist()),
                    [str(each.rows.to_pylist()) for each in judged.repeats.rewrites],
                )
            )
    assert found[0] == found[1]


def test_a_parquet_file_is_read_a_part_at_a_time(tmp_path):
    path = tmp_path / "many.parquet"
    table = pa.table({"id": pa.array([f"i{row}" for row in range(5000)]), "a": np.zeros(5000), "c": ["u"] * 5000})
    pq.write_table(table.append_column("y", pa.array(["ill", ""] * 2500)), path, row_group_size=100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "PART_ROWS", 1000)
        parts = list(read_batch(path, Contract.model_validate(CONTENT)).parts())
    assert [(part.start, part.table.num_rows) for part in parts] == [(1000 * number, 1000) for number in range(5)]
