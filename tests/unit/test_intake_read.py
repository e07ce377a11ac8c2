"""Files that are no batch: each gives one sentence; and what a CSV or Parquet file becomes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.intake.ingest import read_batch
from ssgan.intake.read import open_table, read_undeclared

CONTRACT = Contract.model_validate(
    {
        "name": "t",
        "task": "classification",
        "label": {"column": "y", "classes": ["0", "1"]},
        "columns": {"a": {"type": "number", "nullable": True}},
    }
)

BAD = {
    "empty.csv": (b"", "is empty"),
    "empty.parquet": (b"", "is empty"),
    "headed.csv": (b"a,y\n", "no data rows"),
    "headed-without-newline.csv": (b"a,y", "no data rows"),
    "blank.csv": (b"\n\n", "no column names"),
    "notes.docx": (b"a,y\n1,0\n", "neither CSV nor Parquet"),
    "latin.csv": ("a,y\n1,ja\xdf\n".encode("latin-1"), "not text in UTF-8"),
    "latin-name.csv": ("\xdf,y\n1,0\n".encode("latin-1"), "not text in UTF-8"),
    "excel.csv": (b"sep=;\na;y\n1;0\n", "begins with the line `sep=`, which is for Excel alone: delete that line"),
    "ragged.csv": (b"a,y\n1,0\n2,1,7\n", "data row 2 has 3 cells where the first line names 2 columns"),
    "short.csv": (b"a,y\n1,0\n2\n", "data row 2 has 1 cells"),
    "open-quote.csv": (b'a,y\n1,0\n"2,1\n', "data row 2"),
    "twice.csv": (
        b"a,a,y\n1,2,0\n",
        "more than one column named `a` (columns 1 and 2); every name must be there once: rename",
    ),
    "unlabelled.csv": (
        b"a,b\n1,2\n",
        "no label column `y`; it has `a`, `b`; where nothing is labelled yet, add it as an empty one",
    ),
    "near.csv": (b"a,Y\n1,2\n", "did you mean `Y`?"),
    "headless.csv": (b"1.5,0\n2.5,1\n", "its first line looks like data"),
    "headless-twice.csv": (b"1,1\n2,1\n", "its first line looks like data"),
    "semicolon.csv": (b"a;y\n1;0\n", 'declare it in the contract as `files: {delimiter: ";"}`'),
    "semicolons-and-commas.csv": (b"a;y\n1,5;0\n", 'declare it in the contract as `files: {delimiter: ";"}`'),
    "titled.csv": (b"Export of 1 March\na,y\n1,0\n", "'Export of 1 March': delete what stands above the line"),
    "spreadsheet.csv": (b"a,y,,\n1,0,,\n", "2 columns without a name (columns 3, 4); name them, or delete them"),
    "wide.csv": ("a,y\n1,0\n".encode("utf-16"), "such as utf-16, as it begins"),
    "fake.parquet": (b"PAR1 but not really", "not a readable Parquet file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_batch_gives_one_sentence(tmp_path, name):
    content, expected = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_batch(path, CONTRACT)
    message = str(caught.value)
    assert expected in message
    assert name in message
    assert "\n" not in message
    assert sorted(each.name for each in tmp_path.iterdir()) == [name]


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_batch(tmp_path / "none.csv", CONTRACT)
    with pytest.raises(DataError, match="is a directory"):
        read_batch(tmp_path, CONTRACT)


def test_a_parquet_file_without_rows_or_with_equal_names_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.float64()), "y": pa.array([], pa.string())}), path)
    with pytest.raises(DataError, match="no data rows"):
        read_batch(path, CONTRACT)
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["y", "y"]), path)
    with pytest.raises(DataError, match="more than one column named `y`"):
        read_batch(path, CONTRACT)


def test_csv_cells_are_read_as_they_stand(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffid, a ,y\r\n007," 1.50",\r\n"x\ny",NA,1\r\n'.encode())
    table = read_undeclared(path, "y")
    assert table.to_pydict() == {"id": ["007", "x\ny"], "a": [" 1.50", "NA"], "y": ["", "1"]}


def test_a_row_with_million_character_cells_is_read(tmp_path):
    path = tmp_path / "a.csv"
    long = "x" * 1_000_000
    path.write_text(f"a,b,y\n{long},{long},1\n1,2,0\n")
    table = read_undeclared(path, "y")
    assert table.num_rows == 2
    assert len(table["b"][0].as_py()) == 1_000_000


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_are_counted_whatever_the_type_they_are_stored_in(tmp_path, suffix):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [0.0, 1.0, 1.0, -1.0, None]})
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    manifest = read_batch(path, CONTRACT).manifest
    assert manifest.labelled == {"0": 1, "1": 2}
    assert manifest.unlabelled == 2
    assert manifest.rows == 5
    assert manifest.sha256.startswith(manifest.batch)


def test_minus_one_is_a_value_of_a_regression(tmp_path):
    contract = Contract.model_validate(
        {"name": "t", "task": "regression", "label": {"column": "y"}, "columns": {"a": {"type": "number"}}}
    )
    path = tmp_path / "a.csv"
    path.write_text("a,y\n1,-1\n2,NaN\n3,\n4,2.5\n")
    manifest = read_batch(path, contract).manifest
    assert manifest.labelled == {"labelled": 2}
    assert manifest.unlabelled == 2


@pytest.mark.parametrize("at", [0, 29_999, 30_000, 59_999])
def test_a_row_longer_than_a_block_costs_no_row_and_doubles_none(tmp_path: Path, at: int) -> None:
    path = tmp_path / "long.csv"
    cells = ["y" * 700] * 60_000  # more than two parts of 16 MiB
    cells[at] = "x" * 3_000_000
    path.write_text("number,word\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells)))
    found = [part.column("number").to_pylist() for part in open_table(path).parts()]
    assert [int(number) for part in found for number in part] == list(range(60_000))
