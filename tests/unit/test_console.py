"""What a person sees while a command works."""

from __future__ import annotations

import shlex

import pytest

from ssgan.console import counted, shown, typed, waiting_file
from ssgan.errors import DataError
from ssgan.progress import step


def test_a_command_that_ends_with_a_refusal_leaves_the_sentence_to_the_error(capsys) -> None:
    with pytest.raises(DataError), shown(), step("run"), step("intake a.csv"):
        raise DataError("a.csv is empty; send another")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["✗", "intake"], ["✗", "run"]]
    assert "empty" not in "".join(lines)


def test_a_step_that_failed_while_the_command_goes_on_says_why(capsys) -> None:
    with shown():
        with pytest.raises(DataError), step("intake a.csv"):
            raise DataError("a.csv is empty; send another")
        with step("train"):
            pass
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("a.csv is empty; send another")
    assert second.split()[:2] == ["✓", "train"]


def test_a_command_that_is_interrupted_still_says_which_step_failed(capsys) -> None:
    with pytest.raises(KeyboardInterrupt), shown(), step("train"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err.split()[:2] == ["✗", "train"]


def test_a_command_that_is_shown_can_be_typed_whatever_the_path(tmp_path) -> None:
    words = ["status", "-C", str(tmp_path / "mein Pr\u00fcjekt $1")]
    assert shlex.split(typed(words[0], words[1], tmp_path / "mein Pr\u00fcjekt $1"))[1:] == words


def test_the_first_batch_that_waits_is_named_and_none_that_is_still_being_copied(tmp_path) -> None:
    inbox = tmp_path / "data" / "incoming"
    assert waiting_file(tmp_path) is None
    inbox.mkdir(parents=True)
    for name in ("b.csv", "a.csv", ".0.csv"):
        (inbox / name).write_text("")
    assert waiting_file(tmp_path) == inbox / "a.csv"


def test_labels_are_counted_in_all_and_per_class() -> None:
    assert counted(9, {"yes": 2, "no": 3}) == "9 rows, 5 labelled (yes: 2, no: 3)"
    assert counted(9, {"labelled": 4}) == "9 rows, 4 labelled"
