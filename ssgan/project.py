"""A project is a directory: where its files lie, and who may work on it now."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ssgan.errors import BusyError, ProjectError, UserError


@dataclass(frozen=True)
class Project:
    """Paths of a project; nothing is read or written here."""

    root: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def stages(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def contract(self) -> Path:
        return self.root / "data" / "contract.yaml"

    @property
    def incoming(self) -> Path:
        return self.root / "data" / "incoming"

    @property
    def accepted(self) -> Path:
        return self.root / "data" / "accepted"

    @property
    def quarantine(self) -> Path:
        return self.root / "data" / "quarantine"

    @property
    def batches(self) -> Path:
        """One verdict per batch, as JSON, in git."""
        return self.root / "data" / "batches"

    @property
    def prepared(self) -> Path:
        return self.root / "data" / "prepared"

    @property
    def trained(self) -> Path:
        """What `train` exports: a folder per model, the answers of the folds, a sample of the fakes."""
        return self.root / "models" / "trained"

    @property
    def model(self) -> Path:
        """The artefact that `calibrate` makes of what was trained: the challenger."""
        return self.root / "models" / "ssgan"

    @property
    def folds(self) -> Path:
        """What models of folds answer to rows that they have not seen."""
        return self.trained / "folds.npz"

    @property
    def fakes(self) -> Path:
        """A sample of the fakes that the discriminator learned from; absent without the real/fake term."""
        return self.trained / "fakes.npz"

    @property
    def twin(self) -> Path:
        """The supervised twin: the same network, trained on labels alone."""
        return self.root / "models" / "twin"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def baselines(self) -> Path:
        """What each baseline answers on the test rows."""
        return self.reports / "baselines.npz"

    @property
    def judged(self) -> Path:
        """What the SSGAN says of the judged rows."""
        return self.reports / "judged.npz"

    def judged_of(self, digest: str) -> Path:
        """The same of a model that was promoted; in git, for it is small and must not be lost."""
        return self.root / "models" / "judged" / f"{digest[:12]}.npz"

    @property
    def winner(self) -> Path:
        """The artefact of a baseline that is served in the SSGAN's place."""
        return self.root / "models" / "winner"

    @property
    def evaluation(self) -> Path:
        return self.reports / "evaluation.json"

    @property
    def report(self) -> Path:
        return self.reports / "report.html"

    @property
    def card(self) -> Path:
        """What the model is good for, in Markdown; it goes with the model."""
        return self.reports / "card.md"

    @property
    def figures(self) -> Path:
        """Every figure of the report, as SVG and CSV."""
        return self.reports / "figures"

    @property
    def gate(self) -> Path:
        return self.reports / "gate.json"

    @property
    def gate_page(self) -> Path:
        """The report with the gate's decision in it."""
        return self.reports / "gate.html"

    @property
    def gate_card(self) -> Path:
        """The card with the gate's decision in it."""
        return self.reports / "gate.md"

    @property
    def bentos(self) -> Path:
        """BentoML's home: its model store and the Bentos."""
        return self.root / "bento"

    @property
    def champion(self) -> Path:
        return self.root / "champion.json"

    @property
    def champions(self) -> Path:
        """Every promotion and rollback, appended, one JSON object a line."""
        return self.root / "champion.history.jsonl"

    @property
    def runtime(self) -> Path:
        """Lock, logs and times: of this machine only, in no history."""
        return self.root / ".ssgan"

    @property
    def events(self) -> Path:
        """What TensorBoard shows, on request."""
        return self.runtime / "tensorboard"

    @property
    def times(self) -> Path:
        """What the last training cost, and on which device."""
        return self.reports / "train_times.json"


def open_project(root: Path) -> Project:
    """The project in `root`.

    Raises:
        ProjectError: if one of the three files that make a project is missing.
    """
    project = Project(root.resolve())
    for part in (project.params, project.stages, project.contract):
        if not part.is_file():
            from ssgan.console import typed  # which knows what a project is

            raise ProjectError(
                f"{root} is not a project: it has no {part.relative_to(project.root)}; make one with "
                f"`{typed('init', root)}`, or name another with -C"
            )
    return project


_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextlib.contextmanager
def writing(project: Project) -> Iterator[None]:
    """Where the disk or the permissions do not let us write, a person reads one sentence.

    Raises:
        UserError: in place of the system's error.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        why = error.strerror or " ".join(str(error).split())
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        elsewhere = None if full else _elsewhere(project, error)
        if elsewhere is not None:
            raise UserError(
                f"{elsewhere} cannot be used ({why}); mend its permissions and run the same command again: "
                "the last version is as it was"
            ) from None
        raise UserError(
            f"{project.root.name} cannot be written ({why}); {'free some space' if full else 'make it writable'} and "
            "run the same command again: the last version is as it was"
        ) from None


def _elsewhere(project: Project, error: OSError) -> Path | None:
    """The file that an error is about, if it is not one of the project; None if the error names no file."""
    if not isinstance(error.filename, str | bytes):
        return None
    path = Path(os.fsdecode(error.filename))
    return None if path.resolve().is_relative_to(project.root.resolve()) else path


@contextlib.contextmanager
def locked(project: Project) -> Iterator[None]:
    """Holds the project for this process; the kernel lets go when the process ends, however it ends.

    Raises:
        BusyError: if another process holds it.
        UserError: if the disk is full or the project may not be written, then or later on.
    """
    with writing(project), _held(project):
        yield


@contextlib.contextmanager
def _held(project: Project) -> Iterator[None]:
    project.runtime.mkdir(exist_ok=True)
    with (project.runtime / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise BusyError(
                f"another run (process {holder}) is working on {project.root}; wait until it has ended"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
