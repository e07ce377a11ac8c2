"""`ssgan quarantine list|show|release`: refused rows are looked at, repaired, and sent through again."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from ssgan.contract import ORIGIN, ROW_RULES, Contract, TextFiles, read_contract
from ssgan.errors import DataError, RejectedError
from ssgan.intake import store
from ssgan.intake.batch import read_batch
from ssgan.intake.held_images import image_column, write_images
from ssgan.intake.ingest import ASPECTS, OWN, accept, settle
from ssgan.intake.judged import REASONS, ROW
from ssgan.intake.read import INDEX, PARQUET_SUFFIXES, open_source, open_table
from ssgan.intake.reference import read_reference
from ssgan.intake.source import Source
from ssgan.intake.validate import validate
from ssgan.project import Project
from ssgan.records import Verdict

# In a row's reasons, after each value, which is quoted; a value may hold colons and semicolons of its own.
_RULE = re.compile(rf": ({'|'.join(ROW_RULES)})(?=; |$)")


@dataclass(frozen=True)
class Held:
    """The rows of one batch that are in quarantine now."""

    batch: str
    source: str
    file: Path
    rows: int
    reasons: dict[str, int]  # rows per reason, the commonest first

    def line(self) -> str:
        """For a person."""
        said = ", ".join(f"{reason} ({count})" for reason, count in list(self.reasons.items())[:5])
        return f"{self.batch}  {self.source}: {self.rows} rows: {said}"


def held(project: Project) -> list[Held]:
    """Every batch with rows in quarantine."""
    verdicts = store.accepted_verdicts(project)
    files = [project.root / name for name in store.current_files(verdicts) if name.startswith("data/quarantine/")]
    sources = {verdict.manifest.batch: verdict.manifest.source for verdict in verdicts}
    found = []
    for file in files:
        said = pq.read_table(file, columns=[REASONS]).column(REASONS).to_pylist()
        reasons = Counter(rule for each in said for rule in {*_RULE.findall(each)})
        batch = file.stem.partition("-")[0]
        found.append(Held(batch, sources.get(batch, ""), file, len(said), dict(reasons.most_common())))
    return found


def held_by(project: Project, batch: str) -> Held:
    """The quarantined rows of one batch, by its name or the start of it, or by its file's name.

    Raises:
        DataError: if there are none.
    """
    every = held(project)
    found = [each for each in every if each.batch.startswith(batch) or each.source == batch]
    if len(found) != 1:
        names = ", ".join(each.batch for each in every) or "none"
        what = "no batch" if not found else "more than one batch"
        raise DataError(f"{what} in quarantine is named {batch!r}; there are {names}")
    return found[0]


def write_held(project: Project, batch: str, out: Path) -> int:
    """Writes the quarantined rows of a batch, to be repaired and released; returns how many.

    Tables become a CSV; images become a folder, with the rows in its index and each image as a file.

    Raises:
        DataError: if there are none, or `out` is there already.
    """
    if out.exists():
        raise DataError(f"{out} exists already; name a new file, or for images a new folder")
    text, table = read_contract(project.contract).files, pq.read_table(held_by(project, batch).file)
    image = image_column(table)
    if image is not None:
        rows = write_images(table, image, out)
        (out / INDEX).write_bytes(_as_csv(rows, text))
    else:
        out.write_bytes(_as_csv(table, text))
    return int(table.num_rows)


def _as_csv(table: pa.Table, text: TextFiles) -> bytes:
    content = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, content, pyarrow.csv.WriteOptions(delimiter=text.delimiter))
    try:
        return bytes(content.getvalue().to_pybytes().decode("utf-8").encode(text.encoding))
    except UnicodeEncodeError as error:
        raise DataError(
            f"the rows hold {error.object[error.start]!r}, which files.encoding {text.encoding} cannot write; "
            "read the Parquet file in data/quarantine instead"
        ) from None


def release(project: Project, batch: str, repaired: Path | None = None) -> Verdict:
    """Sends quarantined rows through again, repaired or under a changed contract; bad ones stay where they are.

    Args:
        project: Whose lock the caller holds.
        batch: Whose rows.
        repaired: What `write_held` gave, mended, or Parquet with the same rows; `_row` says which is which. Without it,
            all rows go through as they are.

    Raises:
        DataError: if no row is good, or the file names rows that are not there.
        RejectedError: if the good rows together break a rule; nothing is changed then.
    """
    settle(project)
    contract = read_contract(project.contract)
    rows = held_by(project, batch)
    table = pq.read_table(rows.file)
    places = table.column(ROW)
    sent = _repaired(table, repaired, project) if repaired is not None else table
    file = project.runtime / f"release-{rows.batch}.parquet"
    # Equal rows may be released from several batches: what they are of makes each release a batch of its own.
    origin = {"released": f"{rows.file.name} {sent.column(ROW).to_pylist()}"}
    cells = sent.drop_columns([name for name in (ROW, REASONS, ORIGIN) if name in sent.column_names])
    store.write_table(project, cells.replace_schema_metadata(origin), file)
    try:
        arrived = read_batch(file, contract)
        verdicts = store.accepted_verdicts(project)
        reference = read_reference(store.accepted_files(project), contract, project.runtime / ASPECTS)
        judged = validate(arrived, contract, reference, own=project.root / OWN, released_from=rows.batch)
        if judged.outcome is None or judged.outcome.refused.all():
            reasons = judged.verdict.refused[:1]
            why = f": row {sent.column(ROW)[reasons[0].row - 1]}: {reasons[0].rule}" if reasons else ""
            raise DataError(f"no row of {rows.source} in quarantine is good yet{why}; repair one and release it again")
        if judged.verdict.decision == "reject":
            todo = "mend the rows, or the contract if that is wrong, and release them again"
            raise RejectedError(f"{judged.verdict.sentence}; {todo}")
        good = sent.column(ROW).filter(pa.array(~judged.outcome.refused))
        left = table.filter(pc.invert(pc.is_in(places, value_set=good.combine_chunks())))
        new = ""
        if left.num_rows:
            new = (
                store.write_by_content(project, left, project.quarantine, rows.batch)
                .relative_to(project.root)
                .as_posix()
            )
        said = f"{len(good)} of {table.num_rows} rows of {rows.source} in quarantine are released"
        said += f", {left.num_rows} stay there" if left.num_rows else ""
        verdict = judged.verdict.model_copy(
            update={
                "manifest": judged.verdict.manifest.model_copy(update={"source": f"{rows.source} (released)"}),
                "decision": "accept",
                "sentence": said,
                "rows_refused": 0,
                "refused": (),
                "quarantine_file": None,
                "released_from": rows.batch,
            }
        )
        number = 1 + max(each.number for each in verdicts)
        return accept(project, replace(judged, verdict=verdict), number, {_name(project, rows.file): new})
    finally:
        file.unlink(missing_ok=True)


def _name(project: Project, path: Path) -> str:
    return path.relative_to(project.root).as_posix()


def _repaired(table: pa.Table, repaired: Path, project: Project) -> pa.Table:
    """The mended rows; `_row` as whole numbers, each once and in quarantine."""
    mended = pa.concat_tables(_opened(repaired, read_contract(project.contract)).parts()).combine_chunks()
    if ROW not in mended.column_names:
        raise DataError(f"{repaired.name} has no column `{ROW}`; keep it, for it says which row is which")
    try:
        numbers = pc.cast(mended.column(ROW), pa.int64())
    except pa.ArrowInvalid:
        raise DataError(f"{repaired.name}: `{ROW}` must hold the row numbers as they were; put them back") from None
    known = {*table.column(ROW).to_pylist()}
    found = numbers.to_pylist()
    strange = [number for number in found if number not in known]
    if strange or len({*found}) != len(found):
        what = f"row {strange[0]}, which is not in quarantine" if strange else "a row twice"
        raise DataError(f"{repaired.name} names {what}; every row may be there once, under its number")
    order = np.argsort(np.array(found))
    place = mended.column_names.index(ROW)
    return mended.set_column(place, ROW, numbers).take(pa.array(order))


def _opened(repaired: Path, contract: Contract) -> Source:
    if contract.image is None or repaired.name.lower().endswith(PARQUET_SUFFIXES):
        return open_table(repaired, contract.files)
    if not repaired.is_dir():
        raise DataError(f"{repaired.name} is no folder; name the one that `ssgan quarantine show` has written, mended")
    return open_source(repaired, contract)
