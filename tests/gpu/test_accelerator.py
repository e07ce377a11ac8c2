"""What holds on an accelerator: the card is named and not taken whole, and learns what a processor learns.

make test-gpu
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssgan.learn import backend
from ssgan.learn.checkpoint import Checkpoints
from tests.unit import learner
from tests.unit.learner import fit

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"


def losses(**environment: str) -> dict[str, np.ndarray]:
    """Of 20 steps from fixed numbers, in a process of its own."""
    # The machine with the card may have the packages on a path of its own, and ours not installed.
    found = os.pathsep.join([str(UNIT), str(ROOT), os.environ.get("PYTHONPATH", "")])
    given = {**os.environ, "KERAS_BACKEND": backend.name, "PYTHONPATH": found, **environment}
    done = subprocess.run(
        [sys.executable, str(UNIT / "twenty_steps.py")], env=given, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {name: np.array(each) for name, each in json.loads(done.stdout).items()}


def test_the_device_is_named() -> None:
    assert backend.device().startswith(("GPU (", "TPU ("))
    assert "unnamed" not in backend.device()


def test_the_card_is_not_taken_whole() -> None:
    fit(learner.classes(), steps=20)
    if backend.name == "tensorflow":
        import tensorflow as tf

        assert tf.config.experimental.get_memory_info("GPU:0")["peak"] < 2**30
        assert all(tf.config.experimental.get_memory_growth(card) for card in tf.config.list_physical_devices("GPU"))
        return
    import jax

    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert (jax.local_devices()[0].memory_stats() or {"peak_bytes_in_use": 0})["peak_bytes_in_use"] < 2**30


def test_twenty_steps_have_the_losses_of_a_processor() -> None:
    here, there = losses(), losses(JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
    for name, expected in there.items():
        np.testing.assert_allclose(here[name], expected, rtol=2e-3, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_learned_is_as_right_in_either_precision(precision: str) -> None:
    case = learner.classes()
    task, _ = fit(case, steps=400, precision=precision).outputs(case.x)
    assert (task.argmax(axis=1) == case.truth).mean() > 0.85


def test_images_are_learned_in_bfloat16_too() -> None:
    case = learner.images(32, 32, 3)
    task, _ = fit(case, steps=60, precision="bfloat16").outputs(case.x)
    assert (task.argmax(axis=1) == case.truth).mean() > 0.9


def test_rows_streamed_from_a_file_teach_as_rows_on_the_device_do(tmp_path: Path) -> None:
    case = learner.classes()
    np.save(tmp_path / "x.npy", case.x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    streamed = learner.Case(case.contract, case.encoder, mapped, case.y, case.truth)
    expected, found = (fit(each, steps=100).outputs(case.x)[0] for each in (case, streamed))
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    case, checkpoints = learner.classes(), Checkpoints(tmp_path, "this run")

    class Interrupt(backend.keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if epoch == 30:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(case, more={"checkpoints": checkpoints, "callbacks": [Interrupt()]}, steps=100)
    resumed, whole = (fit(case, more=more, steps=100) for more in ({"checkpoints": checkpoints}, {}))
    assert resumed.history[-1, 0] == 100
    np.testing.assert_allclose(resumed.outputs(case.x)[0], whole.outputs(case.x)[0], atol=0.05)


def test_several_cards_share_the_rows() -> None:
    if " x " not in backend.device():
        pytest.skip("there is one card; two virtual processors are tested in tests/unit")
    cards = int(backend.device().partition("(")[2].partition(" x ")[0])
    case = learner.classes()
    task, _ = fit(case, steps=400, batch=16 * cards).outputs(case.x)
    assert (task.argmax(axis=1) == case.truth).mean() > 0.85
