"""A request that gets no answer: the status, and in words why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FAULTS_AT_MOST = 50  # that one refusal lists
SHOWN = 80  # characters of a wrong value

Fault = dict[str, str | int]  # field, rule, value, message; and the record, where there are several


@dataclass
class Refusal(Exception):
    """What the client is told instead of an answer. Never a path, never a traceback."""

    status: int
    error: str
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, request_id: str) -> dict[str, object]:
        """As JSON has it."""
        return {"error": self.error, "faults": list(self.faults), "request_id": request_id}


def shown(value: object) -> str:
    """A wrong value, cut short."""
    text = value if isinstance(value, str) else repr(value)[: 4 * SHOWN]
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
