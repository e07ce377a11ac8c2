"""A process that measures itself when asked, so that several can be measured in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).parent
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def python_path() -> str:
    """Ours, whether installed or not, before what this process was given."""
    return os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))


@dataclass
class Peer:
    """A process that measures itself when asked."""

    name: str
    process: subprocess.Popen[str]
    seconds_to_first_steps: float
    windows: list[float] = field(default_factory=list)
    peak_mb: int = 0
    peak_on_device_mb: int | None = None

    @classmethod
    def start(cls, name: str, command: Sequence[str], environment: Mapping[str, str], core: int | None = None) -> Self:
        """Starts it and waits for its first steps: imports, data, networks, compilation.

        Args:
            name: of the peer.
            command: run in `peers/`.
            environment: added to this process's.
            core: the one it may use; None: all.

        Raises:
            SystemExit: if it ends before them; what it wrote is on the error output.
        """
        environment = {**os.environ, "PYTHONPATH": python_path(), **environment}
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=FOLDER / "peers",
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )  # fmt: skip
        peer = cls(name, process, 0.0)
        peer._read()
        peer.seconds_to_first_steps = time.perf_counter() - start
        return peer

    def measure(self, seconds: float) -> None:
        """One window."""
        assert self.process.stdin is not None
        print(seconds, file=self.process.stdin, flush=True)
        self.windows.append(self._read()["steps_per_second"])

    def end(self) -> None:
        """Asks for its peak memory and lets it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        told = self._read()
        self.peak_mb, self.peak_on_device_mb = told["peak_mb"], told.get("peak_on_device_mb")
        self.process.wait(timeout=60)

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise SystemExit(f"{self.name} ended with {self.process.wait()} before it answered")

    @property
    def pace(self) -> float:
        """Median steps per second."""
        return statistics.median(self.windows)
