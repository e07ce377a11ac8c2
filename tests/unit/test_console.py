"""What a person sees while a command works."""

from __future__ import annotations

import pytest

from ssgan.console import shown
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
