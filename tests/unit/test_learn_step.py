"""How the learning rate goes over the steps."""

from __future__ import annotations

import numpy as np
import pytest

from ssgan.learn.backend import keras
from ssgan.learn.step import LAST_RATE, Average, Schedule


def rate(schedule: Schedule, step: int) -> float:
    return float(schedule.rate(keras.ops.convert_to_tensor(np.int32(step))))


@pytest.mark.parametrize("cooldown", [0.5, 0.1])
def test_the_learning_rate_warms_up_stays_and_falls_over_the_cooldown_as_a_cosine(cooldown: float) -> None:
    schedule, falls = Schedule(100, 0.2, 0.1, cooldown, 0.25), round(100 * (1 - cooldown))
    assert [rate(schedule, step) for step in (0, 4, 9, 10, falls)] == pytest.approx([0.02, 0.1, 0.2, 0.2, 0.2])
    assert rate(schedule, (falls + 100) // 2) == pytest.approx(0.2 * (1 + LAST_RATE) / 2)
    assert rate(schedule, 100) == pytest.approx(0.2 * LAST_RATE)


def test_without_a_warm_up_the_learning_rate_is_full_at_the_first_step() -> None:
    assert rate(Schedule(100, 0.2, 0.0, 0.5, 0.25), 0) == pytest.approx(0.2)


def test_the_average_is_as_if_it_had_begun_with_the_first_weights() -> None:
    weight, mean = keras.Variable(np.float32(0.0)), keras.Variable(np.float32(-7.0))
    average, seen = Average([weight], [mean], 0.9), []
    for step, value in enumerate((3.0, 5.0, -2.0)):
        weight.assign(value)
        average.update(keras.ops.convert_to_tensor(np.int32(step)))
        seen.append(value)
        shares = 0.9 ** np.arange(len(seen))[::-1]
        assert float(mean.value) == pytest.approx(np.average(seen, weights=shares), rel=1e-5)


def test_the_average_is_over_no_more_than_the_recent_share_of_the_steps() -> None:
    weight, mean = keras.Variable(np.float32(0.0)), keras.Variable(np.float32(-7.0))
    average, ages = Average([weight], [mean], 0.999, 0.1), []
    for step in range(300):
        weight.assign(np.float32(step))
        average.update(keras.ops.convert_to_tensor(np.int32(step)))
        ages.append(step - float(mean.value))
    assert ages[0] == pytest.approx(0, abs=1e-3)
    assert ages[299] == pytest.approx(299 / 11, rel=0.05)  # weights that fall as the tenth power of a step's age
