"""Which scheduled run is under way, so that one that has ended without a word does not count as running for ever.

A run tells the server itself how it ends. It cannot where its process is killed, where a second signal comes while it
is telling, or where the machine stops; so it leaves its id in a file that it holds while it lives, and the schedule
tells the server of an id that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from ssgan.project import Project

_NOTE = "scheduled-run"  # in the runtime directory
_SAID = "the process of this run has ended, and the run had not said how: it was killed, or the machine stopped"


def hold(project: Project, run: UUID) -> None:
    """Notes a run as under way for as long as this process lives; not where another process has one under way."""
    project.runtime.mkdir(exist_ok=True)
    held = os.open(_note(project), os.O_RDWR | os.O_CREAT, 0o666)  # not closed: so the kernel does it, whatever happens
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(held, 0)
        os.write(held, str(run).encode())


def tell_of_ended(project: Project) -> None:
    """Tells the server of a run that nobody has under way any more, if it does not know how that ended.

    Where no server answers nothing is told; the next schedule does it.
    """
    run = _left(_note(project))
    if run is not None:
        tell(run)


def tell(run: UUID) -> None:
    """Tells the server that a run has crashed, if it does not know how that ended; nothing where no server answers."""
    with contextlib.suppress(httpx.HTTPError, ObjectNotFound), get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        if state is not None and not state.is_final():
            client.set_flow_run_state(run, Crashed(message=_SAID), force=True)


def _note(project: Project) -> Path:
    return project.runtime / _NOTE


def _left(note: Path) -> UUID | None:
    """The run of a note that nobody holds."""
    with contextlib.suppress(OSError, ValueError), note.open(encoding="ascii") as handle:  # ValueError: half an id
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return UUID(handle.read())
    return None
