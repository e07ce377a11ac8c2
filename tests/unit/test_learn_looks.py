"""What is measured of images tells a broken or foreign one, and hardly ever flags an honest one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ssgan.contract import NumberColumn
from ssgan.learn.looks import looks
from ssgan.learn.ranges import Ranges, Seen

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@cache
def digits() -> np.ndarray:
    """Float32 [1797, 8, 8, 1], as the encoder makes them."""
    return (load_digits().images[..., None] / 8 - 1).astype(np.float32)


@cache
def fitted() -> Ranges:
    measured = looks(digits()[:1300])
    return Ranges(Seen.fit(measured, dict.fromkeys(measured, NumberColumn(type="number"))).limits(0.005)[0])


def flagged(x: np.ndarray) -> float:
    found = fitted().outside(looks(x.astype(np.float32)))
    return 0.0 if found is None else float(found.any(axis=1).mean())


def test_digits_that_were_held_out_look_like_the_others() -> None:
    assert flagged(digits()[1300:]) <= 0.01


@pytest.mark.parametrize(
    "strange",
    [
        lambda x, _: -x,
        lambda x, rng: rng.uniform(-1, 1, x.shape),
        lambda x, rng: x.reshape(len(x), -1)[:, rng.permutation(64)].reshape(x.shape),
        lambda x, _: np.full_like(x, -1.0),
        lambda x, _: x / 4,
    ],
    ids=["negatives", "static", "pixels in another order", "empty", "faint and grey"],
)
def test_broken_images_are_flagged(strange: Change) -> None:
    assert flagged(strange(digits()[1300:], np.random.default_rng(0))) > 0.9


def test_the_measures_are_what_their_names_say() -> None:
    x = np.full((1, 4, 4, 3), -1.0, np.float32)
    x[:, :, 2:, 0] = 1.0  # the right half is red
    found = {name: float(each[0]) for name, each in looks(x).items()}
    assert found == pytest.approx(
        {
            "brightness": 1 / 6,
            "contrast": np.sqrt(1 / 6 - 1 / 36),
            "detail": 1 / 3 / 3 / 2,  # one step in three across, of one channel in three; none down
            "grain": 1 / 18 / np.sqrt(1 / 6 - 1 / 36),
            "black or white": 1.0,
            "colour": 0.5,
        }
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_has_the_same_bits_alone_and_among_two_thousand(channels: int) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2050, 9, 7, channels)).astype(np.float32)
    together = looks(x)
    assert ("colour" in together) == (channels == 3)
    for row in (0, 1023, 1024, 2049):
        alone = looks(x[row : row + 1])
        assert all(alone[name][0] == together[name][row] for name in together)
    assert all(each.shape == (0,) for each in looks(x[:0]).values())
