"""`ssgan data log|diff|restore`: the versions of the data, what lies between two of them, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan.contract import GROUP, ROW_ID, Contract, read_contract
from ssgan.errors import UserError
from ssgan.intake import store, version
from ssgan.intake.drift import (
    ks_distance,
    summarise_numbers,
    summarise_words,
    tally_numbers,
    total_variation,
)
from ssgan.intake.reference import word_counts
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import DatasetVersion

RESTORING = "restoring"  # names the version while it is being put back, so that an interrupted return is finished


@dataclass(frozen=True)
class LoggedVersion:
    """A version, and what made it one."""

    name: str
    when: str
    who: str
    rows: int
    labelled: dict[str, int]
    batches: tuple[str, ...]  # those that came with it: file, verdict


@dataclass(frozen=True)
class VersionDiff:
    """What lies between two versions of the data."""

    first: str
    second: str
    rows_added: int
    rows_removed: int
    rows_changed: int  # other values in some feature
    labels_added: int
    labels_changed: int
    labels_removed: int
    moved: dict[str, float]  # column -> distance of its distributions, the largest first

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"from {self.first} to {self.second}"
        for name, count in asdict(self).items():
            if isinstance(count, int):
                yield f"  {name.replace('_', ' ')}: {count}"
        far = [f"{name} {distance:.3f}" for name, distance in self.moved.items() if distance > 0][:10]
        yield f"  columns that moved most (KS or total variation distance): {', '.join(far) or 'none'}"


def log(project: Project) -> list[LoggedVersion]:
    """Every version, newest first."""
    found: list[LoggedVersion] = []
    before: set[str] = set()
    for name in version.tags(project):
        made = version.version_named(project, name)
        fresh = [each for each in version.verdicts_at(project, name) if each.accepted_file is not None]
        batches = tuple(
            f"{each.manifest.source}: {each.decision}" for each in fresh if each.manifest.batch not in before
        )
        who, when = version.authored(project, name)
        found.append(LoggedVersion(name, when, who, made.rows, made.labelled, batches))
        before = {*made.batches}
    return found[::-1]


def diff(project: Project, first: str, second: str) -> VersionDiff:
    """What lies between two versions: rows by their id, labels, and how far each column moved.

    Raises:
        UserError: if there is no such version, or its content cannot be had.
    """
    contract = read_contract(project.contract)
    for name in (first, second):
        version.version_named(project, name)
    old, new = (_rows(version.content_of(project, name)) for name in (first, second))
    place = pc.index_in(new.column(ROW_ID), value_set=old.column(ROW_ID).combine_chunks())
    common = pc.is_valid(place).to_numpy()
    before, after = old.take(place.filter(pc.is_valid(place))), new.filter(pa.array(common))
    label = contract.label.column
    had, has = (~np.asarray(pc.is_null(side.column(label), nan_is_null=True)) for side in (before, after))
    differs = _different(before, after, label)
    features = [name for name in new.column_names if name not in (ROW_ID, GROUP, label)]
    changed = np.zeros(len(had), bool)
    for name in features:
        changed |= _different(before, after, name)
    return VersionDiff(
        first,
        second,
        rows_added=new.num_rows - int(common.sum()),
        rows_removed=old.num_rows - int(common.sum()),
        rows_changed=int(changed.sum()),
        labels_added=int((~had & has).sum()),
        labels_changed=int((had & has & differs).sum()),
        labels_removed=int((had & ~has).sum()),
        moved=_moved(old, new, features, contract),
    )


def restore(project: Project, name: str) -> DatasetVersion:
    """Makes the data what it was at a version; that is a new version, so that the history only grows.

    The caller holds the project's lock.

    Raises:
        UserError: if there is no such version, or its content cannot be had.
    """
    wanted, current = version.version_named(project, name), version.current_version(project)
    if current is not None and (current.dvc_hash, current.batches) == (wanted.dvc_hash, wanted.batches):
        raise UserError(f"the data are those of {name} already (now {current.name}); there is nothing to restore")
    project.runtime.mkdir(exist_ok=True)
    store.write_text(project.runtime / RESTORING, name)
    return finish_restore(project)


def finish_restore(project: Project) -> DatasetVersion:
    """Does what `RESTORING` says; may be done again after a crash."""
    note = project.runtime / RESTORING
    name = note.read_text(encoding="utf-8").strip()
    if name in version.tags(project):
        say(f"putting the data of {name} back")
        version.put_back(project, name)
        made = version.accept_version(project, f"Restore the data of {name}")
    else:  # the note itself was cut short, so nothing was touched yet
        found = version.current_version(project)
        if found is None:
            raise UserError("there is no version to restore")
        made = found
    note.unlink()
    return made


def _rows(files: dict[str, Path]) -> pa.Table:
    tables = [pq.read_table(path) for _, path in sorted(files.items())]
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def _different(before: pa.Table, after: pa.Table, name: str) -> np.ndarray:
    if name not in before.column_names or before.column(name).type != after.column(name).type:
        return np.ones(after.num_rows, bool)
    first, second = before.column(name), after.column(name)
    same = pc.fill_null(pc.equal(first, second), False).to_numpy()
    both = np.asarray(pc.and_(pc.is_null(first, nan_is_null=True), pc.is_null(second, nan_is_null=True)))
    return np.asarray(~(same | both), bool)


def _moved(old: pa.Table, new: pa.Table, features: list[str], contract: Contract) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in features:
        if name not in contract.features or name not in old.column_names or pa.types.is_binary(new.column(name).type):
            continue
        first, second = old.column(name).combine_chunks(), new.column(name).combine_chunks()
        if pa.types.is_floating(first.type) and pa.types.is_floating(second.type):
            summary = summarise_numbers(np.asarray(first.to_numpy(zero_copy_only=False)))
            tally = tally_numbers(summary, np.asarray(second.to_numpy(zero_copy_only=False))) if summary.rows else None
            found[name] = ks_distance(summary, tally) if tally is not None and tally.rows else 0.0
        elif pa.types.is_string(first.type) and pa.types.is_string(second.type):
            counts, words = word_counts(second), summarise_words(word_counts(first) or {"": 1})
            found[name] = total_variation(words, counts) if counts else 0.0
    return dict(sorted(found.items(), key=lambda each: -each[1]))
