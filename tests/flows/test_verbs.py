"""Every verb does once, on a finished project with two packaged models, what its help says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ssgan.records import Champion
from ssgan.ship.keys import parse_keys, sha256_of
from ssgan.ship.shadow import ShadowSummary, shadow_folder


@pytest.fixture
def say(two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Gives a verb, in this process, to the project; what it printed. Each leaves git nothing to commit."""

    def run(*words: object, code: int = 0) -> str:
        from ssgan.cli import main

        verb = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["ssgan", *verb, "-C", str(two)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        assert git(two, "status", "--porcelain") == ""
        return said.out if code == 0 else said.err

    return run


def git(project: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=project, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def tags(two: Path) -> tuple[str, str]:
    """Of the champion, and of the one before it."""
    champion = Champion.read(two / "champion.json")
    return champion.tag, str(champion.previous)


SAYS = {
    ("gate",): "Nothing new: the challenger is the model in service, {now}",
    ("promote", "{before}"): "{before} is the champion; before it: {now}",
    ("promote", "{now}"): "{now} is the champion; before it: {before}",
    ("rollback",): "{before} is the champion again",
    ("data", "log"): "2-defects.csv: accept with quarantine",
    ("data", "diff", "data-1", "data-2"): "rows added: 175",
    ("data", "restore", "data-1"): "data-3: the data of data-1, 280 rows",
    ("quarantine", "list"): "2-defects.csv: 6 rows: ",
}


@pytest.mark.parametrize("words", SAYS, ids=" ".join)
def test_a_verb_does_what_its_help_says_and_leaves_git_clean(words, say, tags: tuple[str, str]) -> None:
    now, before = tags
    assert SAYS[words].format(now=now, before=before) in say(*(word.format(now=now, before=before) for word in words))


def test_the_champion_follows_a_rollback_and_a_promotion_and_both_are_committed(say, two: Path, tags) -> None:
    now, before = tags
    say("rollback")
    assert Champion.read(two / "champion.json").tag == before
    say("promote", now)
    assert Champion.read(two / "champion.json").tag == now
    assert git(two, "log", "-2", "--format=%s") == f"Promote {now}\nRoll back to {before}\n"


def test_the_log_of_the_data_is_there_for_programs_too(say) -> None:
    found = json.loads(say("data", "log", "--json"))
    assert [(each["name"], each["rows"]) for each in found] == [("data-2", 455), ("data-1", 280)]


def test_a_key_is_told_once_and_kept_as_its_hash(say, two: Path) -> None:
    key = say("key", "ward-7").strip()
    assert parse_keys((two / "keys.txt").read_text()) == {"ward-7": sha256_of(key.encode())}


def test_a_model_goes_into_the_shadow_and_out_again_and_what_was_found_stays(say, two: Path, tags) -> None:
    now, before = tags
    assert "no challenger has answered" in say("shadow", "report", code=2)
    assert say("shadow", "start", before).startswith(f"{before} answers in the shadow")
    summary = ShadowSummary(champion=now, challenger=before, since="today", requests=3, rows=40, different=10)
    summary.write(shadow_folder(two, before) / "summary.json")
    assert say("shadow", "stop") == f"{before} answers no more\n"
    assert "10 rows (25.0%) answered differently" in say("shadow", "report")
    assert "no model runs in the shadow" in say("shadow", "stop", code=2)


def test_rows_come_out_of_quarantine_repaired_and_go_back_into_the_data(say, tmp_path: Path) -> None:
    file = tmp_path / "held.csv"
    assert say("quarantine", "show", "2-defects.csv", "-o", file).startswith(f"6 rows in {file}; ")
    held = pd.read_csv(file, dtype=str, keep_default_na=False)
    twice = held[held["record_id"].duplicated()]
    assert len(twice) == 1  # without its copy there is nothing wrong with it
    twice.to_csv(file, index=False)
    said = say("quarantine", "release", "2-defects.csv", "--from", file)
    assert said == "1 of 6 rows of 2-defects.csv in quarantine are released, 5 stay there\n"
    assert json.loads(say("data", "log", "--json"))[0]["rows"] == 456


def test_a_change_of_the_contract_is_told_with_the_batches_that_it_would_refuse(say, two: Path, tmp_path: Path) -> None:
    contract, narrow = two / "data" / "contract.yaml", tmp_path / "narrow.yaml"
    assert say("contract", "diff", contract) == "nothing changed\nevery accepted batch passes\n"
    known = "mean_radius: {type: number, min: 0, max: 50}"
    narrow.write_text(contract.read_text().replace(known, known.replace("50", "20")))
    said = say("contract", "diff", contract, narrow)
    assert "column `mean_radius` max: 50.0 becomes 20.0 (narrower)" in said
    assert "accepted batches that would not pass:" in said
    assert "1-good.csv: " in said


def test_labels_are_asked_for_and_come_back_from_label_studio_as_a_batch(say, tmp_path: Path) -> None:
    asked, export, answers = (tmp_path / name for name in ("asked.json", "export.json", "answers.csv"))
    assert say("labels", "-n", 5, "-o", tmp_path / "asked.csv").startswith(f"5 rows in {tmp_path / 'asked.csv'}; ")
    assert len(pd.read_csv(tmp_path / "asked.csv")) == 5
    say("labels", "-n", 3, "-o", asked, "--format", "label-studio")
    tasks = json.loads(asked.read_text())
    for task in tasks:  # a person agrees with what was suggested
        task["annotations"] = [{"was_cancelled": False, "result": task["predictions"][0]["result"]}]
    export.write_text(json.dumps(tasks))
    assert say("labels", "-o", answers, "--from", export).startswith(f"3 answers in {answers}; ")
    filled = pd.read_csv(answers)
    assert filled["record_id"].tolist() == [task["data"]["id"] for task in tasks]
    assert filled["diagnosis"].isin(["benign", "malignant"]).all()
