"""What the rooms say of their progress also goes into the log of the Prefect run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prefect import get_run_logger

from ssgan.progress import Event, listening


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Passes notes on to the run's logger while the block runs."""
    logger = get_run_logger()

    def tell(event: Event) -> None:
        if event.kind == "note":
            logger.info(event.text)

    with listening(tell):
        yield
