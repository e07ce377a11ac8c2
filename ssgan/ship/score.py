"""The champion answers every record of a file or of a folder of files, on all cores, however many there are.

The files are read in pieces of at most `PIECE_ROWS` rows. Threads judge and answer the pieces (Arrow, numpy and ONNX
Runtime let go of the interpreter while they compute), and the pieces are written in their order. What is finished lies
in a journal beside the result, so that a run that was killed goes on, and ends with the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import pyarrow as pa

from ssgan import __version__
from ssgan.errors import DataError, UserError
from ssgan.intake.formats import files_of
from ssgan.progress import say
from ssgan.project import Project
from ssgan.ship.champion import require_champion
from ssgan.ship.journal import Journal, journal, parts_of
from ssgan.ship.packaged import Packaged, folder_of, load_packaged
from ssgan.ship.rows import Judged, Piece, answers, judge, refused
from ssgan.ship.sink import Sink, quarantine_of
from ssgan.ship.sources import Pace, find_files, pieces, rows_in

Bad = Literal["mark", "quarantine", "fail"]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Scored:
    """What came out."""

    answered: int
    refused: int
    quarantine: Path | None  # where the refused rows are, if there are any and they were asked for

    def sentence(self, out: Path) -> str:
        """For a person."""
        held = f", {self.refused} refused" if self.refused else ""
        where = f" ({self.quarantine})" if self.quarantine else ""
        return f"{self.answered} rows answered in {out}{held}{where}"


@dataclass(frozen=True)
class _Answered:
    """A piece that is done."""

    answers: pa.Table
    refused: pa.Table | None


def score(project: Project, source: Path, out: Path, bad: Bad = "mark", workers: int | None = None) -> Scored:
    """Writes one answer per row of `source` to the Parquet file `out`, in the same order.

    Columns that the model does not need, such as the label, are ignored.

    Args:
        project: whose champion answers.
        source: a file that `ingest` takes, or a folder of CSV and Parquet files, read in order of their names.
        out: the file to write.
        bad: what becomes of a row that the contract forbids: `mark` leaves it among the answers, without one, with the
            reason in `refused`; `quarantine` puts it into `<out>.quarantine.parquet`; `fail` writes nothing.
        workers: threads; None means one per core.

    Raises:
        DataError: if a file cannot be read, lacks a column, `out` is no place for a file, or a bad row fails it.
        ProjectError: if there is no champion.
        ArtefactError: if the champion is damaged.
        BusyError: if another process is writing `out`.
        UserError: if there is no room for `out`, or no right to write it; then it is as it was.
    """
    _check_place(source, out)
    champion = require_champion(project)
    packaged = load_packaged(folder_of(project.root, champion), champion)
    contract = packaged.artefact.contract
    files = find_files(source, contract)
    threads = workers or len(os.sched_getaffinity(0))
    about, pace = _about(files, packaged, bad), Pace(rows_in(files))
    with _writing(out), journal(out, about) as done:
        if done.found:
            say(f"score: {done.found} parts are there already; going on")
        work = _worker(packaged, bad, done)
        with Sink(out, done.folder) as sink:
            for each in in_order(work, pieces(files, contract), threads):
                sink.write(each.answers, each.refused)
                pace.add(each.answers.num_rows + (0 if each.refused is None else each.refused.num_rows))
            return Scored(sink.answered, sink.refused, sink.close())


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        todo = "name a file in a folder that can be written"
        if error.errno in _FULL:
            todo = f"free some space and run the same command again, which goes on with what lies in {parts_of(out)}"
        raise UserError(f"{out} cannot be written ({why}); {todo}") from None


def in_order(work: Callable[[_In], _Out], items: Iterable[_In], threads: int) -> Iterator[_Out]:
    """Results of `work` in the order of the items, which are taken only so fast as the work is done."""
    waiting: deque[Future[_Out]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _worker(packaged: Packaged, bad: Bad, done: Journal) -> Callable[[Piece], _Answered]:
    def work(piece: Piece) -> _Answered:
        found = done.read(piece.number, "answers")
        if found is not None:
            return _Answered(found, done.read(piece.number, "refused"))
        judged = judge(piece, packaged.artefact.contract)
        held = None
        if bad == "fail" and judged.bad.any():
            raise _first_fault(judged)
        if bad == "quarantine" and judged.bad.any():
            held = refused(judged)
            done.write(piece.number, "refused", held)
        said = answers(judged, packaged)
        if held is not None:
            said = said.filter(pa.array(~judged.bad))
        done.write(piece.number, "answers", said)
        return _Answered(said, held)

    return work


def _first_fault(judged: Judged) -> DataError:
    row = int(np.flatnonzero(judged.bad)[0])
    fault = next(each for each in judged.faults if each.rows[row])
    value = judged.piece.table.column(fault.column)[row].as_py()
    found = "an image" if isinstance(value, bytes) else repr(value)[:40]
    return DataError(
        f"{judged.piece.file}: data row {judged.piece.start + row + 1} has {found} in `{fault.column}` "
        f"({fault.rule}), and --bad fail lets no such row pass; mend it, or use --bad mark or --bad quarantine"
    )


def _about(files: list[Path], packaged: Packaged, bad: Bad) -> dict[str, object]:
    """All that the bytes of the result depend on."""
    stats = [(str(path.resolve()), path.stat()) for file in files for path in files_of(file)]
    return {
        "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats],
        "lineage": packaged.lineage.model_dump(),
        "bad": bad,
        "version": __version__,
    }


def _check_place(source: Path, out: Path) -> None:
    if not out.parent.is_dir() or out.is_dir():
        raise DataError(f"{out} is no place for a file; name a file in a directory that exists")
    if out.resolve() == source.resolve():
        raise DataError(f"{out} is the file to be answered; name another one for the answers")
    if quarantine_of(out).resolve() == source.resolve():
        raise DataError(f"{source} is where the bad rows of {out} would go; name another file for the answers")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise DataError(f"{out} lies among the files to be answered; name a file outside of {source}")
