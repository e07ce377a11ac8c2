"""The command `ssgan`: one verb per stage, the same words as in `dvc.yaml`, `params.yaml` and the flows.

Everything heavy is imported inside the verbs, so that `ssgan --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType

import click

from ssgan import __version__, settings
from ssgan.cli import intake, ship, stages, whole
from ssgan.cli.options import Verbs
from ssgan.errors import SsganError

EXIT_CODES = """\b
Exit codes:
  0  done (also when some rows went to quarantine)
  1  our fault, or that of a tool we call
  2  yours: a bad file, knob or argument
  3  the batch was rejected
  4  the challenger was not promoted
  5  a version did not come out again as it was recorded
  130, 143  interrupted, or ended by a signal
"""
FULL = "there is no room left for what is to be written; free some space and run the same command again"


@click.group(cls=Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ssgan")
def cli() -> None:
    """Partly labelled data in, a served model out: a workflow around a semi-supervised GAN.

    Start with `ssgan demo`, or with your own table: `ssgan init DIR --from FILE.csv --label COLUMN`, then
    `ssgan run -C DIR FILE.csv`.
    """


for _command in (
    *(whole.init, intake.ingest, whole.run, intake.data, intake.quarantine, intake.contract),
    *(stages.prepare, stages.train, stages.calibrate, stages.baselines, stages.evaluate, stages.gate),
    *(ship.package, ship.promote, ship.rollback, ship.serve, ship.key, ship.shadow, ship.score),
    *(stages.labels, ship.reproduce, whole.schedule, whole.status, whole.demo),
):
    cli.add_command(_command)


def main() -> None:
    """Runs the command; every error becomes one sentence and an exit code."""
    _open_what_is_closed()
    settings.apply()
    ended: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        ended.append(number)
        sys.exit(128 + number)  # so that every block ends, and with it every child process

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else it was started with nohup, to outlive the terminal
        signal.signal(signal.SIGHUP, end)
    try:
        code = cli(standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("ssgan: interrupted", err=True)
        code = 130
    except SsganError as error:
        click.echo(f"ssgan: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        code = 1
    except Exception as error:
        ended += _signals(error)
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not ended:  # else it is what a library made of the end: Prefect, say, of a task that it had not yet recorded
            click.echo(f"ssgan: {FULL if full else _internal(error)}", err=True)
        if full:
            _drop_output()
        code = 2 if full else 1
    sys.exit(128 + ended[0] if ended else code)


def _open_what_is_closed() -> None:
    """Output that the caller has closed goes nowhere; else the next file that is opened would get it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """What could not be written is not tried again as the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _signals(error: BaseException) -> list[int]:
    """What ended a flow, if one ran: Prefect listens in our place then, and an error on its way out hides it."""
    if "prefect" not in sys.modules:
        return []
    from flows.ended import signals

    return signals(error)


def _internal(error: Exception) -> str:
    """Tells of a fault of ours; the traceback goes to a file, not into the user's face."""
    import tempfile

    name = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if os.environ.get("SSGAN_TRACEBACK"):
        traceback.print_exc()
    with tempfile.NamedTemporaryFile("w", prefix="ssgan-error-", suffix=".txt", delete=False) as file:
        traceback.print_exc(file=file)
    return f"this is our fault ({name}); the details are in {file.name}, please report them"
