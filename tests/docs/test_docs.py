"""README and docs name only what exists."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from ssgan.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests" / "README.md"]


def commands(page: Path) -> list[str]:
    """Every `ssgan VERB ...` in a page, in code blocks or between backticks."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"`(?:\.venv/bin/)?(ssgan [a-z][^`\n]*)`", text)
    return found + re.findall(r"^\$ (?:\.venv/bin/)?(ssgan [^#\n]*)", text, flags=re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_is_one_that_the_cli_takes(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line)[1:]
        command: click.Command = cli.commands[words[0]]
        if isinstance(command, click.Group):  # `ssgan data log`: the second word is a verb too
            if len(words) == 1:
                continue
            words = words[1:]
            command = command.commands[words[0]]
        options = [word for word in words[1:] if word.startswith("-")]
        known = {name for option in command.params for name in option.opts} | {"--help"}
        assert not [option for option in options if option not in known], line
        if "..." not in line and len(words) > 1:
            command.make_parser(click.Context(command)).parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not broken


def test_the_readmes_python_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    names: dict[str, object] = {}
    exec(block.replace("SSGANClassifier(", "SSGANClassifier(steps=20, "), names)
    assert names["model"].predict_proba(names["X"][:3]).shape == (3, 3)  # type: ignore[attr-defined,index]


def test_every_make_target_in_the_readme_exists() -> None:
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M)
    named = re.findall(r"[`$] ?make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"demo", "test"} <= set(named) <= set(targets)


def test_nothing_committed_names_an_index_or_a_machine() -> None:
    wrong = re.compile(r"-{2}(?:extra-)?index-url|-{2}find-links|/home/\w+/|/roo[t]/|/Users/\w+/")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    texts = [name for name in listed if not name.startswith("tests/") and not name.endswith(".png")]
    assert not [name for name in texts if wrong.search((ROOT / name).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_gap_left_to_fill(page: Path) -> None:
    assert "@@" not in page.read_text(encoding="utf-8")


def test_the_counts_of_attacks_are_those_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from hostile import RESULTS, table

    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    told = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert table(found) in told
    assert f"held {found['memory_at_rest_mib']} MiB" in told
