"""Flow `retrain`: the stages of `dvc.yaml`, the gate, the Bento, promotion.

DVC decides what has to be computed; Prefect decides when, tries again, and remembers.
"""

from __future__ import annotations

from pathlib import Path

from prefect import Task, flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from flows.logs import logged
from flows.standing import kept_of_promotion, kept_of_training, note_pushed
from ssgan.errors import ToolError
from ssgan.intake import version
from ssgan.intake.ingest import settle
from ssgan.judge.gate import gate, is_new
from ssgan.progress import say, step
from ssgan.project import open_project
from ssgan.records import Evaluation, GateDecision
from ssgan.ship.champion import promote, read_champion
from ssgan.ship.package import package


async def _worth_another_try(_task: Task[..., object], _run: TaskRun, state: State[object]) -> bool:
    """A tool that failed may be luck; a user's mistake stays one."""
    result = state.result(raise_on_failure=False)
    if hasattr(result, "__await__"):
        result = await result
    return isinstance(result, ToolError)


@task(
    cache_policy=NO_CACHE,
    task_run_name="{name}",
    retries=1,
    retry_delay_seconds=5,
    retry_condition_fn=_worth_another_try,
)
def stage(root: str, name: str) -> None:
    """One stage of `dvc.yaml`, in a process of its own."""
    with logged(), step(name) as current:
        current.result = "nothing to compute"  # unchanged, or computed once from the same files and kept

        def tell(line: str) -> None:
            current.result = line.removeprefix(f"{name}: ")
            say(line)

        version.repro(open_project(Path(root)), name, on_line=tell)


@task(cache_policy=NO_CACHE, task_run_name="gate")
def judge(root: str, force: str | None) -> GateDecision:
    """Whether the challenger replaces the champion."""
    with logged(), step("gate") as current:
        decision = gate(open_project(Path(root)), force)
        current.result = decision.sentence
        return decision


@task(cache_policy=NO_CACHE, task_run_name="version")
def keep(root: str, message: str) -> None:
    """Commits what the stages and the gate wrote, and pushes the content."""
    project = open_project(Path(root))
    with logged(), step("version") as current:
        made = version.commit(project, kept_of_training(project), message)
        current.result = f"commit {made[:10]}" if made else "nothing has changed"
        version.push(project)
        note_pushed(project)


@task(cache_policy=NO_CACHE, task_run_name="package")
def build(root: str) -> str:
    """The Bento of the challenger."""
    with logged(), step("package") as current:
        current.result = package(open_project(Path(root)))
        return current.result


@task(cache_policy=NO_CACHE, task_run_name="promote")
def put_in_service(root: str, tag: str) -> None:
    """Points to the new champion and commits the pointer."""
    project = open_project(Path(root))
    with logged(), step("promote") as current:
        champion = promote(project, tag)
        version.commit(project, kept_of_promotion(project, champion), f"Promote {tag}")
        current.result = f"{tag} is the champion, before it: {champion.previous or 'none'}"


@flow(name="retrain")
def retrain(root: str, force: str | None = None) -> GateDecision:
    """Trains, judges and, if the gate lets it through, ships a model of the accepted data.

    Args:
        root: Directory of the project.
        force: A reason to promote the challenger whatever the gate's rules say.

    Returns:
        The decision of the gate; the champion stays where it says "keep".
    """
    project = open_project(Path(root))
    settle(project)  # what a killed intake has left would be trained on
    for name in version.stages(project):
        stage(root, name)
    evaluation = Evaluation.read(project.evaluation)
    decision = judge(root, force)
    _leave(evaluation, decision)
    keep(root, f"Train on {_data_name(root)}: {decision.decision}")
    champion = read_champion(project)
    if decision.decision == "promote":
        put_in_service(root, build(root))
    elif champion is not None and not is_new(decision):  # a run may have been killed before the pointer's commit
        put_in_service(root, champion.tag)
    return decision


def _data_name(root: str) -> str:
    current = version.trained_version(open_project(Path(root)))
    return current.name if current else "no data"


def _leave(evaluation: Evaluation, decision: GateDecision) -> None:
    rows = [
        f"| {score.name} | {score.metrics[evaluation.metric].value:.3f} | "
        f"{score.metrics[evaluation.metric].low:.3f} to {score.metrics[evaluation.metric].high:.3f} |"
        for score in evaluation.scores
    ]
    head = f"| model | {evaluation.metric} | interval |"
    lines = [f"**{decision.decision}**: {decision.sentence}", "", evaluation.sentence, "", head, "| --- | --- | --- |"]
    create_markdown_artifact("\n".join([*lines, *rows]), key="gate-decision")
