"""By how much files differ, in words that a person can act on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged import graph_of

from ssgan.ship.compare import differences, metrics

FIRST = {"name": "a", "scores": [{"value": 0.91}, {"value": 0.5}], "n": 3, "ok": True}


def how(was: Path, now: Path, name: str) -> str:
    """What is said of one file."""
    equal, found = differences(was, now, [name])
    assert (equal, [each.path for each in found]) == (0, [name])
    return found[0].how


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The recorded and the new one."""
    for name in ("was", "now"):
        (tmp_path / name).mkdir()
    return tmp_path / "was", tmp_path / "now"


def test_equal_bytes_are_equal_in_folders_too(folders: tuple[Path, Path]) -> None:
    for root in folders:
        (root / "models").mkdir()
        (root / "models" / "a.bin").write_bytes(b"\0\1")
        (root / "b.json").write_text("{}")
    assert differences(*folders, ["models", "b.json"]) == (2, [])


def test_what_is_gone_or_new_is_said(folders: tuple[Path, Path]) -> None:
    (folders[0] / "old.csv").write_text("a\n")
    (folders[1] / "new.csv").write_text("a\n")
    _, found = differences(*folders, ["old.csv", "new.csv"])
    assert {each.path: each.how for each in found} == {
        "new.csv": "was not recorded",
        "old.csv": "did not come out again",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": [{"value": 0.91}, {"value": 0.48}]}, r"by up to 0.02 (scores[1].value)"),
        ({"name": "b"}, "1 words differ, such as name"),
        ({"n": 4, "ok": False}, "by up to 1 (n); 1 words differ, such as ok"),
        ({"more": 1}, "has other entries, such as more"),
        ({"n": None}, "1 words differ, such as n"),
    ],
)
def test_json_differs_by_its_largest_number(folders: tuple[Path, Path], change: dict, words: str) -> None:
    for root, content in zip(folders, (FIRST, FIRST | change), strict=True):
        (root / "a.json").write_text(json.dumps(content))
    assert how(*folders, "a.json") == words


def test_csv_npz_and_parquet_differ_by_their_largest_number(folders: tuple[Path, Path]) -> None:
    for root, value in zip(folders, (1.0, 1.25), strict=True):
        table = pd.DataFrame({"x": [0.0, value, np.nan], "word": ["u", "v", None]})
        table.to_csv(root / "a.csv", index=False)
        table.to_parquet(root / "a.parquet")
        np.savez(root / "a.npz", x=table["x"].to_numpy(), y=np.arange(3))
    assert how(*folders, "a.csv") == "by up to 0.25 (x, row 2)"
    assert how(*folders, "a.parquet") == how(*folders, "a.npz") == "by up to 0.25 (x)"


def test_a_model_differs_by_its_answers_to_the_recorded_probe(folders: tuple[Path, Path]) -> None:
    for root, weight in zip(folders, (1.0, 1.5), strict=True):
        graph_of(np.array([[weight, 0.0], [0.0, 1.0]], np.float32), root / "model.onnx")
        np.savez(root / "probe.npz", x=np.ones((4, 2), np.float32))
    assert how(*folders, "model.onnx") == "its answers to the 4 probe rows differ by up to 0.5 (task)"


def test_a_file_that_is_not_of_its_kind_is_compared_as_bytes(folders: tuple[Path, Path]) -> None:
    for root, text in zip(folders, ("{]", "{)"), strict=True):
        (root / "a.json").write_text(text)
    assert how(*folders, "a.json").startswith("1 of 2 bytes differ (JSONDecodeError")


def test_metrics_are_the_numbers_outside_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**FIRST, "headline": {"accuracy": 0.9}}))
    assert metrics(path) == {"n": 3.0, "headline.accuracy": 0.9}
