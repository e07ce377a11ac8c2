"""Which machine this is, as far as numbers depend on it."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """The processor's name, such as "AMD EPYC 9B14"; two of another kind may round differently."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine() or "unknown"
