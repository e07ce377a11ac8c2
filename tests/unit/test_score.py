"""Scoring a file: what comes out, what becomes of bad rows, and what a user reads who asks for the impossible."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shipped import CLASSES, frame, make_shipped

from ssgan.errors import BusyError, DataError, ProjectError
from ssgan.project import Project
from ssgan.ship import sources
from ssgan.ship.champion import require_champion
from ssgan.ship.score import in_order, score


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a champion that tells three classes apart."""
    return make_shipped(tmp_path_factory.mktemp("classes") / "project")


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a champion that gives values."""
    return make_shipped(tmp_path_factory.mktemp("values") / "project", "regression")


def bad_frame() -> pd.DataFrame:
    """Ten rows, of which 3, 4 and 8 (from 1) break rules."""
    rows = frame(10).astype({"age": object})
    rows.loc[2, "age"] = "old"
    rows.loc[3, ["age", "sex"]] = [500, "x"]
    rows.loc[7, "dose"] = None
    return rows


def test_every_row_gets_label_probabilities_set_and_lineage(project: Project, tmp_path: Path) -> None:
    frame(300).to_parquet(tmp_path / "a.parquet")
    done = score(project, tmp_path / "a.parquet", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert (done.answered, done.refused, len(found)) == (300, 0, 300)
    assert list(found["id"]) == [f"R{row}" for row in range(300)]
    assert list(found["_row"]) == list(range(1, 301))
    assert found[[f"probability_{name}" for name in CLASSES]].sum(axis=1).sub(1).abs().max() < 1e-12
    best = found[[f"probability_{name}" for name in CLASSES]].idxmax(axis=1).str.removeprefix("probability_")
    assert (best == found["label"]).all()
    assert {len(each) for each in found["prediction_set"]} > {1}
    assert set(found["coverage"]) == {0.9}
    assert found["outside_training_range"].isna().all()
    assert found["unlike_training_data"].equals(found["fake_probability"] > 0.4)
    lineage = require_champion(project).lineage
    assert {(row.model, row.data_version, row.git_commit) for row in found.itertuples()} == {
        (lineage.model, lineage.data_version, lineage.git_commit)
    }


def test_values_get_an_interval(values: Project, tmp_path: Path) -> None:
    frame(50).to_csv(tmp_path / "a.csv", index=False)
    score(values, tmp_path / "a.csv", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert ((found["high"] - found["low"]) - 6.5).abs().max() < 1e-9
    assert ((found["high"] + found["low"]) / 2 - found["value"]).abs().max() < 1e-9


def test_csv_and_parquet_of_the_same_rows_get_the_same_answers(project: Project, tmp_path: Path) -> None:
    frame(200).to_csv(tmp_path / "a.csv", index=False)
    frame(200).to_parquet(tmp_path / "a.parquet")
    for suffix in ("csv", "parquet"):
        score(project, tmp_path / f"a.{suffix}", tmp_path / f"{suffix}.out")
    tables = [pq.read_table(tmp_path / f"{suffix}.out").drop_columns("_file") for suffix in ("csv", "parquet")]
    assert tables[0].equals(tables[1])


def test_a_bad_row_is_marked_with_every_reason_and_has_no_answer(project: Project, tmp_path: Path) -> None:
    bad_frame().to_csv(tmp_path / "a.csv", index=False)
    done = score(project, tmp_path / "a.csv", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet").set_index("_row")
    assert (done.answered, done.refused, done.quarantine) == (7, 3, None)
    assert found["refused"].dropna().to_dict() == {
        3: "age: not a number",
        4: "age: outside range; sex: unknown value",
        8: "dose: missing",
    }
    assert found["label"].isna().equals(found["refused"].notna())


def test_bad_rows_go_to_quarantine_as_they_arrived(project: Project, tmp_path: Path) -> None:
    bad_frame().to_csv(tmp_path / "a.csv", index=False)
    done = score(project, tmp_path / "a.csv", tmp_path / "out.parquet", "quarantine")
    assert done.quarantine == tmp_path / "out.quarantine.parquet"
    assert list(pd.read_parquet(tmp_path / "out.parquet")["_row"]) == [1, 2, 5, 6, 7, 9, 10]
    held = pd.read_parquet(done.quarantine).set_index("_row")
    assert list(held.index) == [3, 4, 8]
    assert held.loc[3, ["id", "age", "_reasons"]].to_list() == ["R2", "old", "age: not a number"]


def test_without_bad_rows_no_quarantine_of_an_earlier_run_stays(project: Project, tmp_path: Path) -> None:
    bad_frame().to_csv(tmp_path / "a.csv", index=False)
    score(project, tmp_path / "a.csv", tmp_path / "out.parquet", "quarantine")
    frame(10).to_csv(tmp_path / "a.csv", index=False)
    done = score(project, tmp_path / "a.csv", tmp_path / "out.parquet", "quarantine")
    assert done.quarantine is None
    assert not (tmp_path / "out.quarantine.parquet").exists()


def test_fail_names_the_first_bad_cell_and_writes_nothing(project: Project, tmp_path: Path) -> None:
    bad_frame().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=r"a\.csv: data row 3 has 'old' in `age` \(not a number\)"):
        score(project, tmp_path / "a.csv", tmp_path / "out.parquet", "fail")
    assert not (tmp_path / "out.parquet").exists()


def test_a_file_of_bad_rows_alone_is_answered_with_reasons(project: Project, tmp_path: Path) -> None:
    frame(5).assign(sex="x").to_csv(tmp_path / "a.csv", index=False)
    done = score(project, tmp_path / "a.csv", tmp_path / "out.parquet")
    assert (done.answered, done.refused) == (0, 5)
    assert pd.read_parquet(tmp_path / "out.parquet")["label"].isna().all()


def test_a_folder_is_read_in_order_of_its_names_whatever_the_formats(project: Project, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frame(30, 1).to_csv(tmp_path / "in" / "b.csv", index=False)
    frame(20, 2).assign(id=range(20)).to_parquet(tmp_path / "in" / "a.parquet")
    (tmp_path / "in" / "notes.md").write_text("no rows")
    done = score(project, tmp_path / "in", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert done.answered == 50
    assert list(found["_file"]) == ["a.parquet"] * 20 + ["b.csv"] * 30
    assert list(found["_row"]) == [*range(1, 21), *range(1, 31)]
    assert found["id"].iloc[19] == "19"


@pytest.mark.parametrize("workers", [1, 3])
def test_the_bytes_do_not_depend_on_the_number_of_workers_or_pieces(
    project: Project, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame(1000).to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setattr(sources, "PIECE_ROWS", 128)
    score(project, tmp_path / "a.csv", tmp_path / "many.parquet", workers=workers)
    score(project, tmp_path / "a.csv", tmp_path / "one.parquet", workers=1)
    assert (tmp_path / "many.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()
    monkeypatch.setattr(sources, "PIECE_ROWS", 1000)
    score(project, tmp_path / "a.csv", tmp_path / "whole.parquet")
    assert pq.read_table(tmp_path / "whole.parquet").equals(pq.read_table(tmp_path / "many.parquet"))


def test_an_id_with_the_name_of_an_answer_keeps_out_of_its_way(project: Project, tmp_path: Path) -> None:
    from ssgan.ship.packaged import folder_of, load_packaged
    from ssgan.ship.rows import Piece, answers, judge

    packaged = load_packaged(folder_of(project.root, require_champion(project)))
    contract = packaged.artefact.contract.model_copy(update={"id": "label"})
    table = pa.Table.from_pandas(frame(3).rename(columns={"id": "label"}), preserve_index=False)
    found = answers(judge(Piece(0, "a", 0, table), contract), packaged)
    assert found["_id"].to_pylist() == ["R0", "R1", "R2"]
    assert set(found["label"].to_pylist()) <= {*CLASSES}


def test_progress_tells_rate_and_time_left() -> None:
    assert sources.Pace(4_000).line(2.0) == "score: 0 of 4,000 rows, 0 rows/s"  # nothing could be answered yet
    pace = sources.Pace(4_000)
    pace.done = 1_000
    assert pace.line(2.0) == "score: 1,000 of 4,000 rows, 500 rows/s, 6 s left"
    pace.total = None
    assert pace.line(2.0) == "score: 1,000 rows, 500 rows/s"


def test_rows_are_counted_without_reading_them(project: Project, tmp_path: Path) -> None:
    frame(70).to_csv(tmp_path / "a.csv", index=False)
    frame(30).to_parquet(tmp_path / "b.parquet")
    assert sources.rows_in([tmp_path / "a.csv", tmp_path / "b.parquet"]) == 100


def test_parts_of_another_file_of_that_name_are_not_taken_over(project: Project, tmp_path: Path) -> None:
    frame(50).to_csv(tmp_path / "a.csv", index=False)
    parts = tmp_path / ".out.parquet.parts"
    parts.mkdir()
    (parts / "about.json").write_text('{"files": []}')
    (parts / "00000000.answers.arrow").write_bytes(b"of another file")
    score(project, tmp_path / "a.csv", tmp_path / "out.parquet")
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 50
    assert not parts.exists()


def test_two_runs_do_not_write_one_file(project: Project, tmp_path: Path) -> None:
    frame(5).to_csv(tmp_path / "a.csv", index=False)
    parts = tmp_path / ".out.parquet.parts"
    parts.mkdir()
    handle = os.open(parts, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BusyError, match="another process is writing"):
        score(project, tmp_path / "a.csv", tmp_path / "out.parquet")
    os.close(handle)


def test_results_come_in_order_and_no_more_are_under_way_than_threads() -> None:
    lock, started, most = threading.Lock(), [], []

    def items():
        for item in range(50):
            with lock:
                started.append(item)
            yield item

    def work(item: int) -> int:
        return item * item

    for place, result in enumerate(in_order(work, items(), 3)):
        assert result == place * place
        most.append(len(started) - place)
    assert max(most) <= 4 + 1


BAD_CALLS = {
    "no such column": ("a.csv", "out.parquet", "no column `dose`, which the model needs; did you mean `dosis`"),
    "no file": ("b.csv", "out.parquet", "there is no file"),
    "a folder without files": ("empty", "out.parquet", "holds no file whose name ends in"),
    "nowhere to write": ("a.csv", "no/such/out.parquet", "no place for a file"),
    "over the file itself": ("good.csv", "good.csv", "is the file to be answered"),
    "where its own bad rows would go": ("o.quarantine.parquet", "o.parquet", "is where the bad rows of"),
    "among the files": ("in", "in/out.parquet", "lies among the files"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_wrong_call_gets_one_sentence(project: Project, tmp_path: Path, case: str) -> None:
    for folder in ("empty", "in"):
        (tmp_path / folder).mkdir()
    frame(3).to_csv(tmp_path / "good.csv", index=False)
    frame(3).to_csv(tmp_path / "in" / "good.csv", index=False)
    frame(3).rename(columns={"dose": "dosis"}).to_csv(tmp_path / "a.csv", index=False)
    source, out, words = BAD_CALLS[case]
    with pytest.raises(DataError) as refused:
        score(project, tmp_path / source, tmp_path / out)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not [path for path in tmp_path.rglob("*.parquet*")]


def test_a_file_that_breaks_off_leaves_no_answers(project: Project, tmp_path: Path) -> None:
    text = frame(100).to_csv(index=False)
    (tmp_path / "a.csv").write_text(text + "R100,1,2\n")
    with pytest.raises(DataError, match="data row 101 has 3 cells"):
        score(project, tmp_path / "a.csv", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_a_project_without_a_champion_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no champion yet"):
        score(Project(tmp_path), tmp_path / "a.csv", tmp_path / "out.parquet")
