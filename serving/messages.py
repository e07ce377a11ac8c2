"""What comes to the desk, and what it sends back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from serving.model import Model

JSON = "application/json"


@dataclass(frozen=True)
class Ask:
    """A request that was let in."""

    id: str
    body: bytes
    content_type: str
    accept: str
    model: Model  # the one in service when it came


@dataclass(frozen=True)
class Reply:
    """What is sent back."""

    content_type: str
    body: bytes | AsyncIterator[bytes]
    model: Model | None = None  # the one that spoke
