"""Which model is in service: one pointer file, replaced in one step, with its history."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from ssgan.errors import ProjectError, UserError
from ssgan.project import Project
from ssgan.records import Champion, GateDecision, Lineage
from ssgan.ship.packaged import folder_of, split_tag


def read_champion(project: Project) -> Champion | None:
    """The model in service, or None before the first promotion."""
    return Champion.read(project.champion) if project.champion.is_file() else None


def require_champion(project: Project) -> Champion:
    """The model in service.

    Raises:
        ProjectError: if nothing was promoted yet, or the model is not on this machine.
    """
    champion = read_champion(project)
    if champion is None:
        raise ProjectError(_why_none(project))
    if not folder_of(project.root, champion).is_dir():
        raise ProjectError(
            f"the champion {champion.tag} was packaged elsewhere, and its Bento is not here; package the model in "
            "models/ssgan with `ssgan gate --force REASON`, `ssgan package` and `ssgan promote TAG`"
        )
    return champion


def _why_none(project: Project) -> str:
    from ssgan.console import typed  # which the service's own packages need not hold

    run = typed("run", "-C", project.root, "FILE")
    if not project.gate.is_file() or GateDecision.read(project.gate).decision == "promote":
        return f"{project.root} has no champion yet; `{run}` makes one"
    return (
        f"{project.root} has no champion yet, for the gate refused its model: {project.gate.relative_to(project.root)} "
        f"names the rules that failed, as does `{typed('status', '-C', project.root)}`; mend what they say, and run "
        f"`{run}` with the new rows, or overrule the gate with `--force REASON`"
    )


def promote(project: Project, tag: str) -> Champion:
    """Makes a packaged model the champion; promoting the champion again changes nothing.

    Args:
        project: Where.
        tag: Name of a model that `package` made, `name:version`.

    Raises:
        UserError: if there is no such model.
    """
    now = read_champion(project)
    if now is not None and now.tag == tag:
        return now
    champion = _champion(project, tag, previous=now.tag if now else None)
    _point_to(project, champion, "promote", now.digest if now else None)
    return champion


def rollback(project: Project) -> Champion:
    """Makes the champion's predecessor the champion again.

    Raises:
        UserError: if there is no predecessor.
    """
    now = require_champion(project)
    if now.previous is None:
        raise UserError(f"{now.tag} is the first champion of {project.root}: there is nothing to roll back to")
    before = _champion(project, now.previous, previous=_previous_of(project, now.previous))
    _point_to(project, before, "rollback", now.digest)
    return before


def changed_by_hand(project: Project, decision: GateDecision) -> bool:
    """Whether the gate's last decision was followed by a rollback, or by a promotion that it does not speak of."""
    now = read_champion(project)
    if now is None:
        return False
    last = json.loads(project.champions.read_text(encoding="utf-8").splitlines()[-1])
    taken_back = last["event"] == "rollback" and last["before"] == decision.challenger
    return (taken_back and decision.decision == "promote") or now.digest not in (decision.challenger, decision.champion)


def model_folder(project: Project, tag: str) -> Path:
    """Where BentoML's store keeps a model.

    Raises:
        UserError: if it is no tag.
    """
    name, version = split_tag(tag)
    return project.bentos / "models" / name / version


def _champion(project: Project, tag: str, previous: str | None) -> Champion:
    folder = model_folder(project, tag)
    if not (folder / "lineage.json").is_file():
        known = sorted(f"{path.parent.name}:{path.name}" for path in project.bentos.glob("models/*/*") if path.is_dir())
        raise UserError(f"there is no packaged model {tag!r}; packaged here: {', '.join(known) or 'none'}")
    lineage = Lineage.read(folder / "lineage.json")
    return Champion(
        tag=tag,
        model=str(folder.relative_to(project.root)),
        digest=lineage.digest,
        lineage=lineage,
        promoted_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        previous=previous,
    )


def _point_to(project: Project, champion: Champion, why: str, before: str | None) -> None:
    """Appends to the history (`before`: digest of the model that had been champion until now), then points."""
    with project.champions.open("a", encoding="utf-8") as history:
        event = {"event": why, "before": before, "champion": champion.model_dump()}
        history.write(json.dumps(event) + "\n")
    champion.write(project.champion)


def _previous_of(project: Project, tag: str) -> str | None:
    """What had been champion before `tag` was first promoted."""
    for line in project.champions.read_text(encoding="utf-8").splitlines():
        champion = Champion.model_validate(json.loads(line)["champion"])
        if champion.tag == tag:
            return champion.previous
    return None
