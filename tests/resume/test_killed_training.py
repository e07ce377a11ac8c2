"""Training that is killed goes on as if it had not been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssgan.learn.backend import BACKENDS

KILLS = int(os.environ.get("SSGAN_KILLS", "2"))  # the default keeps the suite short; 20 take some minutes
UNIT = Path(__file__).parents[1] / "unit"


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_killed_again_and_again_ends_with_the_bits_of_an_unbroken_run(tmp_path: Path, backend: str) -> None:
    script = Path(__file__).with_name("killed_training.py")
    # A fork of a process that has imported JAX is warned about; nothing was computed in it.
    command = [sys.executable, "-W", "ignore::RuntimeWarning", str(script), str(tmp_path), str(KILLS)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(UNIT)}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # of the compiler, which takes longer than the steps
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {"kills": KILLS, "same": True}
