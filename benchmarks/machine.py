"""Names the machine and the versions that a number was measured with."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = (
    "tensorflow",
    "keras",
    "numpy",
    "scikit-learn",
    "jax",
    "prefect",
    "dvc",
    "great-expectations",
    "bentoml",
    "onnxruntime",
)


def describe() -> dict[str, str]:
    """Processor, cores, system, date and the versions of what does the work."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name))),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
