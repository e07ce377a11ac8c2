"""What a person sees while the work goes on: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from ssgan.errors import SsganError
from ssgan.progress import Event, listening
from ssgan.project import Project
from ssgan.settings import PATH_AS_FOUND

_QUIET_SECONDS = 5.0  # between two notes of one step where no terminal can overwrite the line


class Display:
    """Turns events into lines: a step that ended stays, with its time; what happens inside it flits by."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = None
        self._steps: list[str] = []
        self._last_note = 0.0
        self._failed: Event | None = None  # its line waits, as the command may end with the same sentence

    def __call__(self, event: Event) -> None:
        """Listens."""
        self.settle(event.text if event.kind == "failed" else "")
        if event.kind == "begin":
            self._steps.append(event.step)
            self._last_note = time.monotonic()
            self._show(event.step)
        elif event.kind == "note":
            self._note(event.text)
        else:
            self._ended(event)

    def _note(self, text: str) -> None:
        if self.console.is_terminal:
            self._show(self._steps[-1] if self._steps else "", text)
        elif time.monotonic() - self._last_note > _QUIET_SECONDS:
            self._last_note = time.monotonic()
            self.console.print(Text(f"    {text}"), soft_wrap=True)

    def _ended(self, event: Event) -> None:
        if event.step in self._steps:
            self._steps.remove(event.step)
        self.close()
        if event.kind == "failed":
            self._failed = event
        else:
            self._line("✓", "green", event, event.text)
        if self._steps:
            self._show(self._steps[-1])

    def settle(self, told: str) -> None:
        """Writes the line of a step that failed, without its sentence where that is told anyway."""
        event, self._failed = self._failed, None
        if event is not None:
            self._line("✗", "red", event, "" if event.text == told else event.text)

    def _line(self, mark: str, style: str, event: Event, text: str) -> None:
        said, *_ = text.splitlines() or [""]  # of a failed tool the rest comes with the error itself
        line = Text.assemble((f"{mark} ", style), f"{event.step:<28}", (f"{event.seconds:>6.1f} s  ", "dim"), said)
        self.console.print(line, soft_wrap=True)

    def _show(self, step: str, note: str = "") -> None:
        if not self.console.is_terminal:
            return
        text = Text.assemble(step, "  ", (note, "dim"))
        if self._status is None:
            self._status = self.console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def close(self) -> None:
        """Takes the live line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


@contextlib.contextmanager
def shown() -> Iterator[Console]:
    """Shows progress on standard error while the block runs, so that standard output stays clean for pipes."""
    display = Display(Console(stderr=True))
    with listening(display):
        try:
            yield display.console
        except SsganError as error:
            display.settle(str(error))  # the command says it as it ends
            raise
        finally:
            display.settle("")
            display.close()


@contextlib.contextmanager
def told_line_by_line() -> Iterator[None]:
    """Prints each note as a line of standard output: for a stage that runs as somebody's child."""

    def tell(event: Event) -> None:
        if event.kind == "note":
            sys.stdout.write(event.text + "\n")
            sys.stdout.flush()

    with listening(tell):
        yield


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A plain table; the first column reads left, the others right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for number, name in enumerate(columns):
        made.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))  # as text: a file may be named like a markup tag
    return made


def counted(rows: int, labelled: Mapping[str, int]) -> str:
    """How many rows there are, how many have a label and, of classes, which."""
    classes = ", ".join(f"{name}: {count}" for name, count in labelled.items()) if [*labelled] != ["labelled"] else ""
    return f"{rows} rows, {sum(labelled.values())} labelled" + (f" ({classes})" if classes else "")


def waiting_file(directory: Path) -> Path | None:
    """The first batch in the inbox of the project in `directory`."""
    return min(Project(directory).incoming.glob("[!.]*"), default=None)


def typed(*words: str | Path) -> str:
    """A command as the user can type it here: by its place in the virtual environment unless that is in the PATH."""
    beside = Path(sys.executable).parent / "ssgan"
    if shutil.which("ssgan", path=PATH_AS_FOUND):
        command = "ssgan"
    elif beside.is_relative_to(Path.cwd()):
        command = str(beside.relative_to(Path.cwd()))
    else:
        command = str(beside)
    return shlex.join([command, *map(str, words)])
