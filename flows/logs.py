"""What the rooms say of their progress also goes into the log of the Prefect run; what went wrong, in words."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from prefect import get_run_logger

from ssgan.errors import SsganError
from ssgan.progress import Event, listening

EXPECTED = (SsganError, OSError)  # what their message says is all that there is to know
_OF_RUNS = ("prefect.flow_runs", "prefect.task_runs")


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Passes notes on to the run's logger while the block runs."""
    logger = get_run_logger()

    def tell(event: Event) -> None:
        if event.kind == "note":
            logger.info(event.text)

    with listening(tell):
        yield


@contextlib.contextmanager
def without_tracebacks() -> Iterator[None]:
    """Where a run fails for a reason that is expected, Prefect logs the reason, and not its way through our code."""
    loggers = [logging.getLogger(name) for name in _OF_RUNS]
    for logger in loggers:
        logger.addFilter(_drop_traceback)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_drop_traceback)


def in_words(error: SsganError | OSError) -> str:
    """An expected error as one line."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename is not None else ""
        return f"the system refused: {error.strerror or error}{where}; mend it, and the next run goes on from there"
    return " ".join(str(error).split())


def _drop_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], EXPECTED):
        record.exc_info = record.exc_text = None
    return True
