"""Stage 0, intake: one file becomes part of a version of the data, or leaves a reason why not.

Nothing counts before its verdict is written, and the verdict comes after the Parquet files that it names. So an intake
that is interrupted leaves either files that no verdict names, which the next one removes, or a verdict whose version
the next one finishes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ssgan.contract import read_contract
from ssgan.errors import DataError, RejectedError
from ssgan.intake import history, store, version
from ssgan.intake.arrival import at_rest
from ssgan.intake.batch import BATCH_DIGITS, Batch, read_batch
from ssgan.intake.identity import rewritten as merged
from ssgan.intake.judged import Judged
from ssgan.intake.page import page_file, write_page
from ssgan.intake.read import CSV_SUFFIXES, INDEX, PARQUET_SUFFIXES, PICTURE_SUFFIXES, check_file, sha256_of
from ssgan.intake.reference import read_reference
from ssgan.intake.validate import validate
from ssgan.progress import say
from ssgan.project import Project, writing
from ssgan.records import Verdict

ASPECTS = "aspects"  # in the runtime directory: what was measured of accepted images
OWN = "data/expectations"  # the user's own suites
__all__ = ["Batch", "accept", "accepted_before", "ingest", "read_batch", "verdict_of", "waiting_files", "write_docs"]


def ingest(project: Project, file: Path) -> Verdict:
    """The whole of intake for one file: read, judge, write, version. The caller holds the project's lock.

    Returns:
        The verdict; for content that was accepted before, the one from then, with nothing counted twice.

    Raises:
        DataError: if the file is no batch at all, or changes while it is read; nothing is written then.
        RejectedError: if the batch is refused as a whole; its verdict is written and committed, and nothing else.
        ProjectError: if the project is no repository, or accepted files are not here.
        UserError: if the disk is full or the project may not be written.
        ToolError: if DVC or git fails.
    """
    with writing(project):
        return _ingest(project, file)


def _ingest(project: Project, file: Path) -> Verdict:
    contract = read_contract(project.contract)
    check_file(file)
    version.require_repository(project)
    settle(project)
    earlier = _earlier(project, file)
    if earlier is not None and earlier.accepted_file is not None:
        say(f"{file.name} holds what was accepted before as batch {earlier.manifest.batch}; nothing to do")
        return earlier
    batch = read_batch(file, contract)
    say(f"{file.name}: judging it by the contract")
    accepted = store.accepted_verdicts(project)
    reference = read_reference(store.accepted_files(project), contract, project.runtime / ASPECTS)
    judged = validate(batch, contract, reference, own=project.root / OWN)
    batch.require_unchanged()
    if judged.verdict.decision == "reject":
        _reject(project, judged, earlier)
        page = page_file(project, judged.verdict)
        todo = "mend the file, or the contract if that is wrong, and take it in again"
        raise RejectedError(f"{judged.verdict.sentence}; {page} shows it all: {todo}")
    return accept(project, judged, number=1 + max((each.number for each in accepted), default=0))


def write_docs(project: Project, file: Path, folder: Path) -> Path:
    """Writes Great Expectations' own pages about a file, whether it was taken in or not; returns the one to open.

    Raises:
        DataError: if the file is no batch, or the folder is in use.
        ContractError: if one of the user's own suites is none.
    """
    from ssgan.intake.data_docs import write_data_docs

    contract = read_contract(project.contract)
    return write_data_docs(read_batch(file, contract), contract, folder, project.root / OWN)


def settle(project: Project) -> None:
    """Finishes or removes what an interrupted intake has left, so that this one starts from a version.

    Raises:
        ProjectError: if files of accepted batches are not here.
        ToolError: if DVC or git fails.
    """
    version.clear_locks(project)
    if (project.runtime / history.RESTORING).is_file():
        history.finish_restore(project)
    _mend(project)
    verdicts = store.read_verdicts(project)
    store.require_complete(project, verdicts)
    store.remove_strays(project, verdicts)
    accepted = [verdict for verdict in verdicts if verdict.accepted_file is not None]
    current = version.current_version(project)
    versioned = set(current.batches) if current else set()
    if {verdict.manifest.batch for verdict in accepted} != versioned:
        say("finishing the version that an interrupted intake has left")
        version.accept_version(project, version.message_of(accepted[-1]))


def _mend(project: Project) -> None:
    """What a power cut has cut short is put back as it was committed, or removed if it never was."""
    for path in sorted(project.batches.glob("*.json")):
        if store.is_whole_verdict(path) or version.restore_file(project, path):
            continue
        say(f"{path.name} was cut short; its batch must be taken in again")
        path.unlink()
    current = version.current_version(project)
    verdicts = store.read_verdicts(project)
    damaged = store.damaged_files(project, verdicts)
    fresh = [each for each in verdicts if each.number and (not current or each.manifest.batch not in current.batches)]
    for verdict in fresh:
        written = {verdict.accepted_file, verdict.quarantine_file, *verdict.rewritten.values()} & damaged
        if written:
            say(f"{min(map(str, written))} was cut short; batch {verdict.manifest.batch} must be taken in again")
            store.verdict_file(project, verdict.manifest.batch).unlink()
    remaining = store.read_verdicts(project)
    lost = store.damaged_files(project, remaining) | store.absent_files(project, remaining)
    if current and lost and version.has_content(project):
        say("putting damaged files back from DVC's cache")
        version.restore_content(project)


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


def waiting_files(project: Project, pause: Callable[[float], None] = time.sleep) -> list[Path]:
    """Batches in `data/incoming` that no verdict speaks of, by name: files, and folders with an index of images.

    What is still being copied is waited for, see `arrival.at_rest`.

    Args:
        project: Whose.
        pause: What passes the time until a batch is looked at again.
    """
    found = [path for path in sorted(project.incoming.glob("*")) if _is_batch(path)]
    return at_rest([path for path in found if not _judged(project, path)], pause)


def _is_batch(path: Path) -> bool:
    if path.name.startswith("."):  # of a copying program, or of a desktop
        return False
    if path.is_dir():
        return (path / INDEX).is_file()
    labels = "labels" in path.name and "idx1" in path.name  # they come with their images
    return (
        path.is_file() and not labels and path.name.lower().endswith(CSV_SUFFIXES + PARQUET_SUFFIXES + PICTURE_SUFFIXES)
    )


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


def accept(project: Project, judged: Judged, number: int, also: Mapping[str, str] = MappingProxyType({})) -> Verdict:
    """Writes what a verdict names, then the verdict, then the version.

    Args:
        project: Whose lock the caller holds.
        judged: Accepted, with or without quarantine.
        number: Of the batch among the accepted ones, from 1.
        also: Further files that others take the place of.

    Raises:
        DataError: if the batch's file changes meanwhile; nothing is accepted then.
    """
    verdict = judged.verdict
    if verdict.quarantine_file is not None:
        store.write_parts(project, judged.quarantine_parts(), project.root / verdict.quarantine_file)
    store.write_parts(project, judged.accepted_parts(), project.root / str(verdict.accepted_file))
    rewritten = dict(also)
    for rewrite in judged.repeats.rewrites:
        batch = rewrite.file.stem.partition("-")[0]
        path = store.write_by_content(project, merged(rewrite), project.accepted, batch)
        rewritten[_name(project, rewrite.file)] = _name(project, path)
    _require_unchanged(project, judged.batch)
    sizes = store.sizes_of(project, [verdict.accepted_file, verdict.quarantine_file, *rewritten.values()])
    verdict = verdict.model_copy(update={"number": number, "rewritten": rewritten, "sizes": sizes})
    write_page(page_file(project, verdict), judged, verdict)
    store.write_verdict(project, verdict)  # from here on the batch is accepted
    store.remove_strays(project, store.read_verdicts(project))
    made = version.accept_version(project, version.message_of(verdict))
    say(f"{made.name}: {made.rows} rows, {sum(made.labelled.values())} of them with a label")
    return verdict


def _require_unchanged(project: Project, batch: Batch) -> None:
    """As the rows are read once more when they are written; what was written is removed, as nothing names it yet."""
    try:
        batch.require_unchanged()
    except DataError:
        store.remove_strays(project, store.read_verdicts(project))
        raise


def _name(project: Project, path: Path) -> str:
    return path.relative_to(project.root).as_posix()


def _reject(project: Project, judged: Judged, earlier: Verdict | None) -> None:
    """Leaves the verdict; said a second time in the same words, it keeps its date and makes no second commit."""
    verdict = judged.verdict
    if earlier is not None:
        manifest = verdict.manifest.model_copy(update={"seen_at": earlier.manifest.seen_at})
        verdict = verdict.model_copy(update={"manifest": manifest})
    path, page = store.verdict_file(project, verdict.manifest.batch), page_file(project, verdict)
    write_page(page, judged, verdict)
    store.write_verdict(project, verdict)
    version.commit(project, [path, page], version.message_of(verdict))
