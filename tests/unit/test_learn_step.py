"""How the learning rate goes over the steps."""

from __future__ import annotations

import numpy as np
import pytest

from ssgan.learn.backend import keras
from ssgan.learn.step import LAST_RATE, Average, Schedule


def rate(schedule: Schedule, step: int) -> float:
    return float(schedule.rate(keras.ops.convert_to_tensor(np.int32(step))))


def test_the_learning_rate_warms_up_stays_over_the_first_half_and_falls_as_a_cosine() -> None:
    schedule = Schedule(100, 0.2, 0.1, 0.25)
    assert [rate(schedule, step) for step in (0, 4, 9, 10, 50)] == pytest.approx([0.02, 0.1, 0.2, 0.2, 0.2])
    assert rate(schedule, 75) == pytest.approx(0.2 * (1 + LAST_RATE) / 2)
    assert rate(schedule, 100) == pytest.approx(0.2 * LAST_RATE)
    assert rate(Schedule(100, 0.2, 0.0, 0.25), 0) == pytest.approx(0.2)


def test_the_average_is_as_if_it_had_begun_with_the_first_weights() -> None:
    weight, mean = keras.Variable(np.float32(0.0)), keras.Variable(np.float32(-7.0))
    average, seen = Average([weight], [mean], 0.9), []
    for step, value in enumerate((3.0, 5.0, -2.0)):
        weight.assign(value)
        average.update(keras.ops.convert_to_tensor(np.int32(step)))
        seen.append(value)
        shares = 0.9 ** np.arange(len(seen))[::-1]
        assert float(mean.value) == pytest.approx(np.average(seen, weights=shares), rel=1e-5)
