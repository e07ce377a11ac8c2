"""Stage 0, intake: one file becomes part of a version of the data, or leaves a reason why not.

Nothing counts before its verdict is written, and the verdict comes after the Parquet files that it names. So an intake
that is interrupted leaves either files that no verdict names, which the next one removes, or a verdict whose version
the next one finishes.
"""

from __future__ import annotations

from pathlib import Path

from ssgan.contract import read_contract
from ssgan.errors import DataError, RejectedError
from ssgan.intake import store, version
from ssgan.intake.batch import BATCH_DIGITS, Batch, read_batch
from ssgan.intake.read import CSV_SUFFIXES, PARQUET_SUFFIXES, check_file, sha256_of
from ssgan.intake.reference import read_reference
from ssgan.intake.validate import Judged, validate
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Verdict

__all__ = ["Batch", "accepted_before", "ingest", "read_batch", "verdict_of", "waiting_files"]


def ingest(project: Project, file: Path) -> Verdict:
    """The whole of intake for one file: read, judge, write, version. The caller holds the project's lock.

    Returns:
        The verdict; for content that was accepted before, the one from then, with nothing counted twice.

    Raises:
        DataError: if the file is no batch at all; nothing is written then.
        RejectedError: if the batch is refused as a whole; its verdict is written and committed, and nothing else.
        ProjectError: if the project is no repository, or accepted files are not here.
        ToolError: if DVC or git fails.
    """
    contract = read_contract(project.contract)
    check_file(file)
    version.require_repository(project)
    settle(project)
    earlier = _earlier(project, file)
    if earlier is not None and earlier.accepted_file is not None:
        say(f"{file.name} holds what was accepted before as batch {earlier.manifest.batch}; nothing to do")
        return earlier
    batch = read_batch(file, contract)
    labelled = sum(batch.manifest.labelled.values())
    say(f"{file.name}: {batch.manifest.rows} rows, {labelled} with a label; judging them by the contract")
    accepted = store.accepted_verdicts(project)
    reference = read_reference([project.root / str(each.accepted_file) for each in accepted], contract)
    judged = validate(batch, contract, reference)
    if judged.verdict.decision == "reject":
        _reject(project, judged.verdict, earlier)
        raise RejectedError(judged.verdict.sentence)
    return _accept(project, judged)


def settle(project: Project) -> None:
    """Finishes or removes what an interrupted intake has left, so that this one starts from a version.

    Raises:
        ProjectError: if files of accepted batches are not here.
        ToolError: if DVC or git fails.
    """
    verdicts = store.read_verdicts(project)
    store.require_complete(project, verdicts)
    store.remove_strays(project, verdicts)
    accepted = [verdict for verdict in verdicts if verdict.accepted_file is not None]
    current = version.current_version(project)
    versioned = set(current.batches) if current else set()
    if accepted and {verdict.manifest.batch for verdict in accepted} != versioned:
        say("finishing the version that an interrupted intake has left")
        version.accept_version(project, accepted[-1])


def verdict_of(project: Project, file: Path) -> Verdict:
    """The verdict about a file that intake has judged.

    Raises:
        DataError: if it has not.
    """
    verdict = _earlier(project, file)
    if verdict is None:
        raise DataError(f"there is no verdict about {file.name}; take it in with `ssgan ingest {file.name}`")
    return verdict


def accepted_before(project: Project, file: Path) -> bool:
    """Whether a file with this content is in the data already."""
    verdict = _earlier(project, file)
    return verdict is not None and verdict.accepted_file is not None


def waiting_files(project: Project) -> list[Path]:
    """Files in `data/incoming` that no verdict speaks of, by name."""
    suffixes = (*CSV_SUFFIXES, *PARQUET_SUFFIXES)
    found = sorted(path for path in project.incoming.glob("*") if path.is_file() and path.suffix.lower() in suffixes)
    return [path for path in found if not _judged(project, path)]


def _judged(project: Project, file: Path) -> bool:
    try:
        return _earlier(project, file) is not None
    except DataError:  # it cannot be read: intake will say so
        return False


def _earlier(project: Project, file: Path) -> Verdict | None:
    digest = sha256_of(file)
    path = store.verdict_file(project, digest[:BATCH_DIGITS])
    if not path.is_file():
        return None
    verdict = Verdict.read(path)
    return verdict if verdict.manifest.sha256 == digest else None


def _accept(project: Project, judged: Judged) -> Verdict:
    verdict = judged.verdict
    for table, name in ((judged.quarantine, verdict.quarantine_file), (judged.accepted, verdict.accepted_file)):
        if table is not None and name is not None:
            store.write_table(project, table, project.root / name)
    verdict.write(store.verdict_file(project, verdict.manifest.batch))
    made = version.accept_version(project, verdict)
    say(f"{made.name}: {made.rows} rows, {sum(made.labelled.values())} of them with a label")
    return verdict


def _reject(project: Project, verdict: Verdict, earlier: Verdict | None) -> None:
    """Leaves the verdict; said a second time in the same words, it keeps its date and makes no second commit."""
    if earlier is not None:
        manifest = verdict.manifest.model_copy(update={"seen_at": earlier.manifest.seen_at})
        verdict = verdict.model_copy(update={"manifest": manifest})
    path = store.verdict_file(project, verdict.manifest.batch)
    verdict.write(path)
    version.commit(project, [path], version.message_of(verdict))
