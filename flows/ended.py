"""What ended a flow, where an error hides it."""

from __future__ import annotations

from prefect.exceptions import TerminationSignal


def signals(error: BaseException | None) -> list[int]:
    """The signal behind an error, if there is one.

    While a flow runs Prefect listens to SIGTERM in our place and raises what it heard; where it has not yet noted the
    task that this ends, it fails on the way out, and the error that comes out is another.
    """
    while error is not None and not isinstance(error, TerminationSignal):
        error = error.__context__
    return [] if error is None else [int(error.signal)]
