"""What a person reads when a run has ended: who was how good, what is in service, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ssgan.console import table, typed, waiting_file
from ssgan.contract import read_contract
from ssgan.judge.words import metric_title, number, title
from ssgan.project import Project
from ssgan.records import Evaluation
from ssgan.ship.champion import read_champion


def show_models(console: Console, project: Project) -> None:
    """The model beside every baseline, the best first, and the sentence."""
    evaluation = Evaluation.read(project.evaluation)
    found = [(score.name, score.metrics[evaluation.metric]) for score in evaluation.scores]
    found.sort(key=lambda each: each[1].value, reverse=evaluation.higher_is_better)
    rows = [[title(name), number(s.value), f"{number(s.low)} to {number(s.high)}"] for name, s in found]
    head = ["model", metric_title(evaluation.metric), f"{100 * evaluation.confidence:g} % interval"]
    console.print(table(f"Models on {evaluation.test_rows} labelled rows", head, rows))
    console.print("")
    console.print(evaluation.sentence, markup=False, highlight=False, soft_wrap=True)


def show_next(console: Console, directory: Path, project: Project) -> None:
    """The model in service, and what it is good for."""
    file = waiting_file(directory) or "FILE"
    _show(console, directory, project, (("status",), ("serve",), ("score", file, "-o", "answers.parquet")))


def show_kept(console: Console, directory: Path, project: Project) -> None:
    """The model that stays in service, if there is one, and what to do about the one that the gate kept out."""
    asked = "requests" if read_contract(project.contract).image else "requests.csv"
    _show(console, directory, project, (("labels", "-o", asked), ("run", "--force", "REASON")))


def _show(console: Console, directory: Path, project: Project, commands: Sequence[Sequence[str | Path]]) -> None:
    champion = read_champion(project)
    if champion is not None:
        origin = f"data {champion.lineage.data_version}, commit {champion.lineage.git_commit[:10]}"
        console.print(f"{champion.tag} is in service: {origin}.", markup=False, highlight=False, soft_wrap=True)
    page = project.gate_page if project.gate_page.is_file() else project.report
    console.print(f"The report: {page}\n\nTry next:", markup=False, highlight=False, soft_wrap=True)
    for verb, *rest in commands:
        console.print(f"  {typed(verb, '-C', directory, *rest)}", markup=False, highlight=False, soft_wrap=True)
