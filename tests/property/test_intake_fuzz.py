"""Whatever a file holds, what is accepted are the rows that a plain, slow reading of the contract lets through."""

from __future__ import annotations

import csv
import io
import math
import re

import pandas as pd
import pyarrow.parquet as pq
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ssgan.contract import MISSING, Contract
from ssgan.errors import DataError
from ssgan.intake.batch import read_batch
from ssgan.intake.reference import Reference
from ssgan.intake.validate import validate

CONTRACT = Contract.model_validate(
    {
        "name": "t",
        "task": "classification",
        "id": "id",
        "label": {"column": "y", "classes": ["ill", "well", "0"]},
        "columns": {
            "a": {"type": "number", "min": -3, "max": 3},
            "n": {"type": "number", "integer": True, "nullable": True},
            "c": {"type": "category", "values": ["u", "1", "NA"], "nullable": True},
        },
        "rules": {
            "labelled_at_least": 0,
            "labelled_per_class_at_least": 0,
            "refused_share_at_most": 1,
            "unknown_label_rows_at_most": 1000,
        },
    }
)
NAMES = ["id", "a", "n", "c", "y"]
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
odd = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.sampled_from(
        ["", " ", "NA", "nan", "-1", "-1.0", "inf", "-Infinity", "1e999", "0x1", "1_0", "1,5", "٣", "1e", "."]
    ),
)
bits = st.one_of(st.binary(min_size=1, max_size=3), st.text("0123456789.,-+eE nuil\n", max_size=3).map(str.encode))


def mostly(usual, *others):
    """A cell as it should be, and each eighth one something else: else hardly a row of five cells would be accepted."""
    return st.integers(0, 7).flatmap(lambda number: st.one_of(*others) if number == 7 else usual)


rows = st.tuples(
    mostly(st.integers(0, 300).map(str), odd),
    mostly(st.floats(-3.5, 3.5).map(repr), st.sampled_from([" 1.5 ", "+1", "-0.0", "3", "1e0"]), odd),
    mostly(st.sampled_from(["-9", "-1", "0", "1", "2", "2.0", "-3", "2.5", "-0.5"]), odd),
    mostly(st.sampled_from(["u", "1", ""]), st.sampled_from(["1.0", " u", "NA"]), odd),
    mostly(st.sampled_from(["ill", "well", "0", ""]), st.sampled_from(["0.0", "+0", "-1", "-1.0"]), odd),
)
tables = st.integers(1, 25).flatmap(lambda size: st.lists(rows, min_size=size, max_size=size))


def plain_number(cell: str) -> float | None:
    """A finite number; None where the cell is none, NaN where it says that there is no value."""
    word = cell.strip(BLANKS)
    if word in MISSING:
        return math.nan
    value = float(word) if NUMBER.fullmatch(word) else math.inf
    return value if math.isfinite(value) else None


def spelled(word: str) -> str:
    """One spelling for equal numbers."""
    if not NUMBER.fullmatch(word) or not math.isfinite(float(word)):
        return word
    value = float(word)
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def plain_word(cell: str, allowed: list[str], nothing: tuple[str, ...]) -> str | None:
    """The allowed word, "" where there is no value; None where the cell is neither."""
    word = cell.strip(BLANKS)
    if word in allowed:
        return word
    if word in nothing or spelled(word) in nothing:
        return ""
    return next((each for each in allowed if spelled(each) == spelled(word)), None)


BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


def plain_row(cells: tuple[str, ...], ids: list[str]) -> tuple[object, ...] | None:
    """(id, a, n, c, y) as it would be accepted, or None."""
    name = cells[0].strip(BLANKS)
    a, n = plain_number(cells[1]), plain_number(cells[2])
    c = plain_word(cells[3], ["u", "1", "NA"], tuple({*MISSING} - {"NA"}))
    y = plain_word(cells[4], ["ill", "well", "0"], (*MISSING, "-1"))
    if name in MISSING or ids.count(name) > 1 or a is None or n is None or c is None or y is None:
        return None
    if not -3 <= a <= 3 or (not math.isnan(n) and n != round(n)):
        return None
    return name, a + 0.0, None if math.isnan(n) else n, c or None, y or None


def accepted(path):
    """What is accepted of a file, row by row; none of a file that is rejected or gives one sentence."""
    try:
        judged = validate(read_batch(path, CONTRACT), CONTRACT, Reference())
    except DataError as error:
        assert "\n" not in str(error)
        return None
    if judged.verdict.decision == "reject":
        return None
    rows = judged.accepted.to_pylist()
    cells = [(row["_id"], row["a"], None if math.isnan(row["n"]) else row["n"], row["c"], row["y"]) for row in rows]
    refused = judged.quarantine.num_rows if judged.quarantine is not None else 0
    assert refused == judged.verdict.rows_refused
    assert len(cells) + refused == judged.verdict.manifest.rows
    return cells


@given(tables, st.sampled_from(["csv", "parquet"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_accepted_rows_are_those_of_a_plain_reading(tmp_path, table, suffix):
    path = tmp_path / f"batch.{suffix}"
    frame = pd.DataFrame(table, columns=NAMES, dtype=object)
    if suffix == "csv":
        frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    else:
        frame.to_parquet(path, index=False)
    ids = [cells[0].strip(BLANKS) for cells in table]
    wanted = [row for cells in table if (row := plain_row(cells, ids)) is not None]
    found = accepted(path)
    event("some rows accepted" if wanted else "no row accepted")
    assert (found or []) == wanted


GOOD = [
    (f"r{row}", repr(row / 10 - 1), str(row), "u1"[row % 2], ["ill", "well", "", "-1"][row % 4]) for row in range(20)
]
LINES = "\n".join(",".join(cells) for cells in [tuple(NAMES), *GOOD]).encode()


@given(st.lists(st.tuples(st.integers(0, len(LINES)), bits, st.integers(0, 3)), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_of_a_damaged_csv_stands_in_the_file_and_keeps_the_contract(tmp_path, changes):
    content = bytearray(LINES)
    for at, fresh, gone in changes:
        content[at : at + gone] = fresh.replace(b'"', b"'")  # two readers may differ about a quote within a cell
    path = tmp_path / "batch.csv"
    path.write_bytes(content)
    found = accepted(path)
    event("refused" if found is None else f"{len(found)} rows accepted")
    if found is None:
        return
    lines = [cells for cells in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if cells]
    order = [[name.strip() for name in lines[0]].index(name) for name in NAMES]
    cells = [tuple(line[place] for place in order) for line in lines[1:]]
    ids = [each[0].strip(BLANKS) for each in cells]
    assert found == [row for each in cells if (row := plain_row(each, ids)) is not None]


PARQUET = io.BytesIO()
pd.DataFrame(GOOD, columns=NAMES).astype({"a": float, "n": float}).to_parquet(
    PARQUET, index=False, compression=None
)  # so that a change reaches the cells


@given(
    st.lists(st.tuples(st.integers(0, 10**6), bits), min_size=1, max_size=5),
    st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_of_a_damaged_parquet_file_is_what_arrow_reads_and_keeps_the_contract(tmp_path, changes, cut):
    content = bytearray(PARQUET.getvalue())
    for at, fresh in changes:
        at %= len(content)
        content[at : at + len(fresh)] = fresh
    path = tmp_path / "batch.parquet"
    path.write_bytes(content[: changes[0][0] % len(content)] if cut else content)
    found = accepted(path)
    event("refused" if found is None else f"{len(found)} rows accepted")
    if found is None:
        return
    table = pq.read_table(path)
    said = [["" if cell is None else str(cell) for cell in table.column(name).to_pylist()] for name in NAMES]
    rows = list(zip(*said, strict=True))
    ids = [each[0].strip(BLANKS) for each in rows]
    assert found == [row for each in rows if (row := plain_row(each, ids)) is not None]
