"""A row gets the same numbers, to the last bit, whether it is sent to the service or lies in a file among others.

And where the contract forbids it, neither answers: what its severities call info is answered by both.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import CLASSES, make_shipped

from serving.answers import answers, encoded
from serving.model import Model
from serving.refusal import Refusal
from ssgan.project import Project
from ssgan.ship import sources
from ssgan.ship.champion import require_champion
from ssgan.ship.packaged import folder_of
from ssgan.ship.score import score

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
RANGE, WHOLE = {"outside range": "info"}, {"not an integer": "info"}
KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "classification": ("classification", {}),
    "regression": ("regression", {}),
    "ranges are info": ("classification", RANGE),
    "fractions are info": ("classification", WHOLE),
    "both are info": ("regression", RANGE | WHOLE),
}
# Within its range and outside, whole, half and a last bit away from whole.
AGES = st.integers(-20, 140).map(float) | st.floats(-20, 140) | st.integers(-20, 140).map(lambda age: age + 1e-14 * age)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": AGES,
            "pressure": st.none() | st.floats(-50, 300) | st.floats(-400, 400) | st.just(-0.0),
            "dose": NUMBERS,
            "ward": st.sampled_from(["north", "south", "7", None]),
            "sex": st.sampled_from(["f", "m"]),
        }
    ),
    min_size=1,
    max_size=40,
)


class Served:
    """A project, and its champion as the service holds it; no dataclass, of which hypothesis would print all."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project, self.model = project, model


@pytest.fixture(scope="module", params=KINDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Champions for classes and for values, under contracts that forbid more or less."""
    task, severity = KINDS[request.param]
    project = make_shipped(tmp_path_factory.mktemp("served") / "project", task, severity=severity)
    return Served(project, Model.load(folder_of(project.root, require_champion(project))))


Told = list[dict[str, Any] | None]  # per row its answer; None where it is refused


def over_http(model: Model, rows: list[dict[str, Any]], many: bool) -> Told:
    """What the service makes of the JSON of one record after another, or of all that it takes at once, as text."""
    told = [_alone(model, row) for row in rows]
    if not many:
        return told
    for row in (row for row, answer in zip(rows, told, strict=True) if answer is None):
        with pytest.raises(Refusal):
            model.checker.records(json.dumps({"records": [row]}).encode())
    good = [row for row, answer in zip(rows, told, strict=True) if answer is not None]
    together = iter(_together(model, good) if good else [])
    return [None if answer is None else next(together) for answer in told]


def _alone(model: Model, row: dict[str, Any]) -> dict[str, Any] | None:
    try:
        record = model.checker.record(json.dumps(row).encode())
    except Refusal:
        return None
    (answer,) = json.loads(encoded(answers(model, model.artefact.predict_records([record]))))
    return dict(answer)


def _together(model: Model, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    records = model.checker.records(json.dumps({"records": rows}).encode())
    return list(json.loads(encoded(answers(model, model.artefact.predict_records(records)))))


def from_file(project: Project, rows: list[dict[str, Any]], folder: Path, suffix: str) -> Told:
    """What `ssgan score` makes of them, in the words of the service."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    if suffix == "parquet":
        pq.write_table(table, folder / "rows.parquet")
    else:
        lines = [["" if row[name] is None else str(row[name]) for name in SCHEMA.names] for row in rows]
        (folder / "rows.csv").write_text("".join(",".join(line) + "\n" for line in [SCHEMA.names, *lines]))
    score(project, folder / f"rows.{suffix}", folder / "out.parquet", workers=2)
    found = pq.read_table(folder / "out.parquet").to_pylist()
    assert len(found) == len(rows)
    return [_as_json(row) if row["refused"] is None else None for row in found]


SCHEMA = pa.schema(
    [
        ("age", pa.float64()),
        ("pressure", pa.float64()),
        ("dose", pa.float64()),
        ("ward", pa.string()),
        ("sex", pa.string()),
    ]
)


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    common = {name: row[name] for name in ("coverage", "fake_probability", "unlike_training_data")}
    common["outside_training_range"] = (row["outside_training_range"] or "").split("; ")
    if "value" in row:
        return {"value": row["value"], "interval": [row["low"], row["high"]], **common}
    shares = {name: row[f"probability_{name}"] for name in CLASSES}
    return {"label": row["label"], "probabilities": shares, "prediction_set": row["prediction_set"], **common}


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, many=st.booleans(), piece=st.integers(1, 50), suffix=st.sampled_from(["csv", "parquet"]))
def test_service_and_score_take_the_same_rows_and_give_them_the_same_bits(
    served: Served,
    rows: list[dict[str, Any]],
    many: bool,
    piece: int,
    suffix: str,
) -> None:
    project, model = served.project, served.model
    low, high = next(each.limits for each in model.artefact.ranges.columns if each.column == "dose")
    expected = over_http(model, rows, many)
    for answer, row in zip(expected, rows, strict=True):
        if answer is None:
            continue
        strange = [each["field"] for each in answer["outside_training_range"]]
        assert ("dose" in strange) == (not low <= row["dose"] <= high)
        assert answer["unlike_training_data"] or not strange
        answer["outside_training_range"] = strange or [""]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(sources, "PIECE_ROWS", piece)
        assert from_file(project, rows, Path(folder), suffix) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 64, 511, 512, 513, 1500])
def test_a_row_s_bits_do_not_depend_on_the_rows_beside_it(served: Served, size: int) -> None:
    artefact = served.model.artefact
    assert artefact.rows_at_once > 1
    x = np.random.default_rng(size).normal(size=(1600, *artefact.encoder.shape)).astype(np.float32)
    whole = artefact.predict_encoded(x)
    for start in (0, 1, 7, 1600 - size):
        part = artefact.predict_encoded(x[start : start + size])
        for name in ("answer", "probabilities", "fake_probability", "sets", "low", "high"):
            expected, found = getattr(whole, name), getattr(part, name)
            assert expected is None or np.array_equal(found, expected[start : start + size]), name
