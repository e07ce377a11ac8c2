"""Does it come out again? A version is computed anew in a clean clone, and compared with what was recorded."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ssgan.errors import DiffersError, UserError
from ssgan.intake.version import outputs, repro, stages
from ssgan.intake.version.clone import Recorded, clone_at, damaged_data, pull, recorded
from ssgan.progress import step
from ssgan.project import Project
from ssgan.records import RunTimes
from ssgan.ship.compare import Difference, differences, metrics

TOLERANCE = 0.02  # of a metric, or of its size where that is above 1
_UNKNOWN = "a device that was not recorded"


@dataclass(frozen=True)
class Reproduction:
    """What came out, beside what was recorded."""

    version: Recorded
    data_files: int
    equal: int  # files that are the same, byte for byte
    differ: tuple[Difference, ...]
    apart: float  # of the metrics, the largest difference in units of max(1, |recorded|)
    worst: str  # the metric that is so far apart
    device_then: str
    device_now: str
    tolerance: float

    @property
    def same_device(self) -> bool:
        return self.device_then == self.device_now != _UNKNOWN

    @property
    def holds(self) -> bool:
        """Equal bytes; on another device, equal data and metrics within the tolerance."""
        return not self.differ or (not self.same_device and self.apart <= self.tolerance)

    def lines(self) -> list[str]:
        """For a person; the last line is the verdict."""
        name = f"{self.version.name}, commit {self.version.commit[:10]}"
        if not self.version.trained:
            return [f"{name}: no model was trained on it; its {self.data_files} data files: equal, byte for byte"]
        told = [f"{name}: {self.data_files} data files, equal, byte for byte"]
        if not self.differ:
            return [*told, f"{self.equal} files of models and reports: equal, byte for byte"]
        told += [f"  {each.path}: {each.how}" for each in self.differ]
        told.append(f"{self.equal} files are equal, {len(self.differ)} differ")
        told.append(f"recorded on {self.device_then}; computed again on {self.device_now}")
        return [*told, self._judgement()]

    def _judgement(self) -> str:
        apart = f"apart by up to {self.apart:.2g} ({self.worst})" if self.worst else "equal"
        if self.same_device:
            rule = "with the same ssgan on the same device every byte should be equal"
            return f"not reproduced: {rule}; the metrics are {apart}"
        verdict = "reproduced within" if self.holds else "not reproduced: beyond"
        return f"{verdict} the tolerance of {self.tolerance:g} for another device: the metrics are {apart}"


def reproduce(project: Project, version: str, tolerance: float = TOLERANCE, into: Path | None = None) -> Reproduction:
    """Clones the project at the version's commit, pulls the data, runs every stage again, and compares.

    Args:
        project: Where; nothing is changed in it.
        version: as `recorded` in `intake/version/clone.py` takes it.
        tolerance: for metrics, where the device is another one.
        into: a new folder for the clone, which is then kept; None means one that is removed.

    Raises:
        UserError: if there is no such version, the remote does not have its content, or `into` cannot be made.
        DiffersError: if the data are not those that were recorded.
        ToolError: if a stage fails.
    """
    found = recorded(project, version)
    with _folder(into) as folder:
        with step(f"clone {found.name}"):
            clone = clone_at(project, found.commit, folder / "clone")
            pull(clone, found.trained)
        count, damaged = damaged_data(clone)
        if damaged:
            others = f", nor are {len(damaged) - 1} others" if damaged[1:] else ""
            raise DiffersError(
                f"{version}: {damaged[0]} is not the file that was recorded{others}; mend the DVC remote"
            )
        if not found.trained:
            return Reproduction(found, count, 0, (), 0.0, "", "", "", tolerance)
        paths, was = outputs(clone, "outs", "metrics", "plots"), folder / "recorded"
        _copy(clone.root, was, [*paths, clone.times.relative_to(clone.root).as_posix()])
        clone.times.unlink(missing_ok=True)  # so that it tells of the training that follows
        for name in stages(clone):
            with step(f"{name} again"):
                repro(clone, name, force=True)
        equal, differ = differences(was, clone.root, paths)
        apart, worst = _metrics_apart(was, clone.root, outputs(clone, "metrics"))
        then, now = (_device(root / clone.times.relative_to(clone.root)) for root in (was, clone.root))
        return Reproduction(found, count, equal, tuple(differ), apart, worst, then, now, tolerance)


@contextlib.contextmanager
def _folder(into: Path | None) -> Iterator[Path]:
    if into is not None:
        _make(into)
        yield into.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ssgan-reproduce-") as name:
        yield Path(name)


def _make(into: Path) -> None:
    try:
        into.mkdir(parents=True)
    except OSError as error:
        why = "is there already" if isinstance(error, FileExistsError) else f"cannot be made ({error.strerror})"
        raise UserError(f"{into} {why}; for --into name a folder that does not exist yet") from None


def _copy(root: Path, to: Path, paths: list[str]) -> None:
    for path in paths:
        if (root / path).is_dir():
            shutil.copytree(root / path, to / path, dirs_exist_ok=True)
        elif (root / path).is_file():
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, to / path)


def _metrics_apart(was: Path, now: Path, paths: list[str]) -> tuple[float, str]:
    """The largest difference of a metric in units of max(1, |recorded|), and its name; infinite where one is gone."""
    worst = (0.0, "")
    for path in paths:
        old, new = metrics(was / path), metrics(now / path)
        for name in sorted({*old, *new}):
            known = name in old and name in new
            apart = abs(old[name] - new[name]) / max(1.0, abs(old[name])) if known else float("inf")
            worst = max(worst, (apart, name), key=lambda each: each[0])
    return worst


def _device(times: Path) -> str:
    if not times.is_file():
        return _UNKNOWN
    record = RunTimes.read(times)
    return f"{record.device}, {record.processor}"
