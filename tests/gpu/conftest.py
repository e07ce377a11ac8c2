"""Without an accelerator these tests are skipped, and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.learn import backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not backend.device().startswith("CPU"):
        return
    reason = f"there is no accelerator: {backend.name} computes on {backend.device()}"
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=reason))
