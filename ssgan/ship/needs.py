"""What has to be installed for a few packages to run as they run here: they and all that they need, each pinned."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def pinned(names: Iterable[str]) -> list[str]:
    """Lines of a requirements file, `name==version` as installed here, sorted; extras of a need are followed."""
    versions: dict[str, str] = {}
    done: set[tuple[str, str]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        need = waiting.pop()
        name = canonicalize_name(need.name)
        distribution = importlib.metadata.distribution(name)
        versions[name] = distribution.version
        for extra in {"", *need.extras} - {known for each, known in done if each == name}:
            done.add((name, extra))
            lines = map(Requirement, distribution.requires or ())
            waiting += [line for line in lines if line.marker is None or line.marker.evaluate({"extra": extra})]
    return [f"{name}=={versions[name]}" for name in sorted(versions)]
