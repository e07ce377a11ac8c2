"""TensorFlow and JAX mean the same by the same names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssgan.learn.backend import BACKENDS, Adam, Draws, Loop, State, gradients, keras, slope

ops = keras.ops
HERE = Path(__file__).parent


def run(backend: str, script: str, *arguments: str, timeout: int = 300) -> str:
    """Standard output of a script of this folder, in a process whose Keras runs on `backend`."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("backend", ["torch", "jaxx"])
def test_a_backend_that_there_is_not_is_refused_with_those_that_there_are(backend: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import ssgan.learn.backend"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert f"ParamsError: KERAS_BACKEND must be tensorflow or jax; it is '{backend}'" in done.stderr


def test_tensorflow_and_jax_agree_over_twenty_steps_on_the_same_numbers() -> None:
    losses = {backend: json.loads(run(backend, "twenty_steps.py")) for backend in BACKENDS}
    assert len(losses["jax"]) == 5
    for name, expected in losses["tensorflow"].items():
        found = np.array(losses["jax"][name])
        assert np.abs(found).sum(axis=0)[0] > 0
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_random_numbers_depend_on_seed_step_and_place_of_the_call_alone() -> None:
    def numbers(seed: int, step: int, before: int = 0) -> list[np.ndarray]:
        draws = Draws(seed)
        draws.start(before)
        draws.uniform((100,))
        draws.start(step)
        drawn = draws.uniform((3, 4), -1.0, 1.0), draws.integers((5,), 10), draws.normal((1000,))
        return [np.asarray(ops.convert_to_numpy(each)) for each in drawn]

    first, again, later, other = numbers(1, 7), numbers(1, 7, before=3), numbers(1, 8), numbers(2, 7)
    for same, a, b, c in zip(again, first, later, other, strict=True):
        assert np.array_equal(same, a)
        assert not np.array_equal(a, b)
        assert not np.array_equal(a, c)
    assert ((first[0] >= -1) & (first[0] < 1)).all()
    assert ((first[1] >= 0) & (first[1] < 10)).all()
    assert abs(first[2].mean()) < 0.15
    assert abs(first[2].std() - 1) < 0.1


def test_each_loss_moves_its_own_weights_alone() -> None:
    a, b = keras.Variable(np.float32(2.0)), keras.Variable(np.float32(3.0))

    def forward() -> tuple[tuple[object, ...], object]:
        product = a.value * b.value
        return (product, -2.0 * product), product

    ((of_a,), (of_b,)), report = gradients(forward, [[a], [b]])
    assert (float(of_a), float(of_b), float(report)) == (3.0, -4.0, 6.0)


def test_a_weight_that_no_loss_needs_has_slope_zero() -> None:
    a, b = keras.Variable(np.float32(2.0)), keras.Variable(np.float32(3.0))
    ((of_a, of_b),), _ = gradients(lambda: ((a.value * 1.0,), a.value), [[a, b]])
    assert (float(of_a), float(of_b)) == (1.0, 0.0)


def test_the_slope_by_an_input_is_the_gradient() -> None:
    at = ops.convert_to_tensor(np.array([1.0, 2.0], np.float32))
    assert np.allclose(ops.convert_to_numpy(slope(lambda x: ops.sum(x**3), at)), [3.0, 12.0])


def test_the_first_steps_of_adam_are_those_of_the_paper() -> None:
    weight = keras.Variable(np.float32(1.0))
    adam = Adam([weight], beta1=0.5, beta2=0.9, epsilon=1e-8)
    mean = square = 0.0
    expected = 1.0
    for step, slope_ in enumerate((0.5, -1.0, 2.0)):
        adam.apply([ops.convert_to_tensor(np.float32(slope_))], 0.1, ops.convert_to_tensor(np.int32(step)))
        mean, square = 0.5 * mean + 0.5 * slope_, 0.9 * square + 0.1 * slope_**2
        expected -= 0.1 * (mean / (1 - 0.5 ** (step + 1))) / np.sqrt(square / (1 - 0.9 ** (step + 1)))
        assert float(weight.value) == pytest.approx(expected, abs=1e-5)


def test_a_loop_of_many_steps_is_the_steps_one_by_one() -> None:
    def trained(calls: list[tuple[int, int]]) -> list[np.ndarray]:
        draws, weight, state = Draws(0), keras.Variable(np.ones(3, np.float32)), State()
        state.adopt([weight])

        def step(number: object) -> object:
            draws.start(number)
            weight.assign(weight.value + draws.uniform((3,)))
            return ops.stack([ops.sum(weight.value)])

        loop = Loop(step, 1, state)
        for first, count in calls:
            loop(first, count)
        return state.values()

    whole, parts = trained([(0, 5)]), trained([(0, 2), (2, 3)])
    assert np.array_equal(whole[0], parts[0])


def test_copies_that_learn_as_one_more_axis_learn_what_they_learn_alone() -> None:
    assert float(run("jax", "stacked_copies.py")) < 1e-4  # sums in another order


def test_one_core_for_each_operation_changes_no_bit_of_what_is_learned() -> None:
    all_cores, one_core = run("tensorflow", "undivided.py").split()
    assert one_core == all_cores


def test_each_backend_learns_where_the_other_and_the_pipeline_are_not_installed_and_both_come_as_far() -> None:
    scores = {}
    for backend in BACKENDS:
        missing = ["prefect", "dvc", "great_expectations", "bentoml", *(each for each in BACKENDS if each != backend)]
        scores[backend] = float(run(backend, "light_learning.py", *missing))
    assert min(scores.values()) > 0.8
    assert abs(scores["tensorflow"] - scores["jax"]) < 0.1  # their own random numbers, some points apart as seeds are
