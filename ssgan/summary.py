"""What a person reads when a run has ended: who was how good, what is in service, what to do next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ssgan.console import table, typed
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
    """The model in service, and three commands to try."""
    champion = read_champion(project)
    if champion is not None:
        origin = f"data {champion.lineage.data_version}, commit {champion.lineage.git_commit[:10]}"
        console.print(f"{champion.tag} is in service: {origin}.", markup=False, highlight=False, soft_wrap=True)
    page = project.gate_page if project.gate_page.is_file() else project.report
    console.print(f"The report: {page}\n\nTry next:", markup=False, highlight=False, soft_wrap=True)
    waiting = sorted(path.name for path in project.incoming.iterdir()) if project.incoming.is_dir() else []
    file = directory / "data" / "incoming" / waiting[0] if waiting else "FILE.csv"
    for verb, *rest in (("status",), ("serve",), ("score", file, "-o", "answers.parquet")):
        console.print(f"  {typed(verb, '-C', directory, *rest)}", markup=False, highlight=False, soft_wrap=True)
