"""A challenger beside the champion: it gets the same requests, nobody sees its answers, differences are counted.

.ssgan/shadow.json                  which model it is; the running service follows this file
.ssgan/shadow/VERSION/summary.json  what was found, replaced every few seconds
.ssgan/shadow/VERSION/differences.jsonl   rows that the two answer differently, the first 10,000
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from ssgan.errors import ProjectError, UserError
from ssgan.project import Project
from ssgan.records import Record
from ssgan.ship.champion import model_folder, read_champion, require_champion
from ssgan.ship.packaged import load_packaged


class Shadow(Record):
    """The model that runs in the shadow."""

    tag: str
    digest: str
    started_at: str  # UTC, ISO 8601


class ShadowSummary(Record):
    """How a challenger's answers differ from those of one champion, over the rows that both have answered."""

    champion: str
    challenger: str
    since: str  # when this count began: UTC, ISO 8601
    requests: int = 0
    rows: int = 0
    refused: int = 0  # rows that the challenger's contract does not take
    dropped: int = 0  # requests that found no room in the queue
    failed: int = 0  # requests that the challenger could not answer
    different: int = 0  # rows with another class, or a value outside of the champion's interval
    moves: dict[str, int] = {}  # "champion's class -> challenger's" -> rows
    difference: float = 0.0  # mean over rows of the largest difference of a probability, or of the value
    largest_difference: float = 0.0
    unlike: dict[str, int] = {}  # "champion", "challenger" -> rows unlike its training data
    seconds: float = 0.0  # that the challenger took for all rows


def shadow_file(root: Path) -> Path:
    """The pointer to the challenger that runs in the shadow."""
    return root / ".ssgan" / "shadow.json"


def shadow_folder(root: Path, tag: str) -> Path:
    """Where its differences are."""
    return root / ".ssgan" / "shadow" / tag.partition(":")[2]


def start(project: Project, tag: str) -> Shadow:
    """Puts a packaged model into the shadow; a running service takes it up within a second.

    Raises:
        UserError: if there is no such model, or it is the champion.
        ArtefactError: if it is damaged.
    """
    champion = require_champion(project)
    folder = model_folder(project, tag)
    if not folder.is_dir():
        known = sorted(f"{path.parent.name}:{path.name}" for path in project.bentos.glob("models/*/*") if path.is_dir())
        raise UserError(f"there is no packaged model {tag!r}; packaged here: {', '.join(known) or 'none'}")
    if tag == champion.tag:
        raise UserError(f"{tag} is the champion; name another model, which is to be compared with it")
    digest = load_packaged(folder).lineage.digest
    shadow = Shadow(
        tag=tag, digest=digest, started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )
    shadow.write(shadow_file(project.root))
    return shadow


def stop(project: Project) -> str:
    """Takes the model out of the shadow; what was found stays.

    Raises:
        ProjectError: if there is none.
    """
    shadow = running(project)
    if shadow is None:
        raise ProjectError("no model runs in the shadow; `ssgan shadow start TAG` puts one there")
    shadow_file(project.root).unlink(missing_ok=True)
    return shadow.tag


def running(project: Project) -> Shadow | None:
    """The model in the shadow, if there is one."""
    path = shadow_file(project.root)
    return Shadow.read(path) if path.is_file() else None


def report(project: Project, tag: str | None) -> str:
    """What was found, in words.

    Args:
        project: Where.
        tag: of the challenger; None: the one that runs, or the one that ran last.

    Raises:
        ProjectError: if nothing was found yet.
    """
    folders = [shadow_folder(project.root, tag)] if tag else _folders(project)
    found = [folder / "summary.json" for folder in folders if (folder / "summary.json").is_file()]
    if not found:
        raise ProjectError(
            "no challenger has answered in the shadow yet; start one, and let the service answer requests"
        )
    summary, now = ShadowSummary.read(found[0]), read_champion(project)
    lines = list(_lines(summary, found[0].parent))
    if now is not None and now.tag != summary.champion:
        lines.insert(1, f"  {now.tag} is the champion now; nothing of its answers is in these numbers")
    return "\n".join(lines)


def _folders(project: Project) -> list[Path]:
    now = running(project)
    known = sorted(
        (project.runtime / "shadow").glob("*/summary.json"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    return ([shadow_folder(project.root, now.tag)] if now else []) + [path.parent for path in known]


def _lines(found: ShadowSummary, folder: Path) -> Iterator[str]:
    rows = max(found.rows, 1)
    yield f"{found.challenger} in the shadow of {found.champion}, since {found.since}"
    yield f"  {found.requests} requests, {found.rows} rows answered by both"
    yield f"  {found.different} rows ({found.different / rows:.1%}) answered differently"
    yield from (f"    {move}: {count}" for move, count in sorted(found.moves.items(), key=lambda each: -each[1])[:10])
    yield f"  difference of the numbers: mean {found.difference:.4g}, largest {found.largest_difference:.4g}"
    unlike = (f"{found.unlike.get(who, 0)} for the {who}" for who in ("champion", "challenger"))
    yield f"  rows unlike the training data: {', '.join(unlike)}"
    yield f"  the challenger took {1000 * found.seconds / rows:.3g} ms per row"
    lost = (("refused by its contract", found.refused), ("dropped", found.dropped), ("failed", found.failed))
    yield from (f"  {count} {what}" for what, count in lost if count)
    if (folder / "differences.jsonl").is_file():
        yield f"  row by row: {folder / 'differences.jsonl'}"
