"""Images of ink on a plain ground are told from photographs, and learned from in another way."""

from __future__ import annotations

import learner
import numpy as np
import pytest

from ssgan import SSGANClassifier
from ssgan.config import TrainParams
from ssgan.errors import ParamsError
from ssgan.learn.drawings import content_of
from ssgan.learn.knobs import resolve


def drawings(ground: float = -1.0) -> np.ndarray:
    """A grey stroke down and a full one across, float32 [20, 20, 20, 1]."""
    rng, x = np.random.default_rng(0), np.full((20, 20, 20, 1), ground, np.float32)
    for image, (row, column) in zip(x, rng.integers(2, 16, (20, 2)), strict=True):
        image[:, column : column + 2], image[row : row + 2] = 0.1, -ground
    return x


def photographs() -> np.ndarray:
    """Light that falls off to one side, and grain, float32 [20, 20, 20, 1]."""
    rng, fall = np.random.default_rng(0), np.linspace(-0.8, 0.7, 20)[None, None, :, None]
    return np.clip(fall + rng.normal(0, 0.15, (20, 20, 20, 1)), -1, 1).astype(np.float32)


@pytest.mark.parametrize("ground", [-1.0, 1.0])
def test_marks_on_a_plain_ground_are_drawings_whether_light_or_dark(ground: float) -> None:
    assert content_of(drawings(ground=ground)) == "drawing"


def test_light_that_falls_off_is_a_photograph_s() -> None:
    assert content_of(photographs()) == "photograph"


def test_what_fills_half_of_a_black_ground_is_a_photograph() -> None:
    x = photographs()
    x[:, :, :10] = -1.0
    assert content_of(x) == "photograph"


def test_images_in_colour_are_photographs() -> None:
    assert content_of(np.repeat(drawings(), 3, axis=3)) == "photograph"


def test_drawings_are_learned_from_with_noise_and_photographs_with_strong_changes() -> None:
    contract, names = learner.images(28, 28, rows=4).contract, ("content", "noise", "stir", "cutout")
    drawn, seen = (resolve(TrainParams(), contract, x) for x in (drawings(), photographs()))
    assert [getattr(drawn, name) for name in names] == ["drawing", 0.8, 1.0, 0.0]
    assert [getattr(seen, name) for name in names] == ["photograph", 0.05, 2.0, 0.4]


@pytest.mark.parametrize(("side", "noise"), [(16, 0.46), (21, 0.6), (28, 0.8), (64, 0.8)])
def test_small_drawings_have_less_noise(side: int, noise: float) -> None:
    contract = learner.images(side, side, rows=4).contract
    assert resolve(TrainParams(content="drawing"), contract).noise == noise


def test_what_a_person_says_of_the_images_counts() -> None:
    contract = learner.images(28, 28, rows=4).contract
    assert resolve(TrainParams(content="photograph"), contract, drawings()).noise == 0.05
    assert resolve(TrainParams(content="drawing"), contract, photographs()).noise == 0.8


def test_with_networks_whose_noise_is_their_own_images_are_photographs() -> None:
    contract = learner.images(28, 28, rows=4).contract
    assert resolve(TrainParams(networks="ssgan.learn.deep"), contract, drawings()).content == "photograph"


def test_a_table_has_no_images() -> None:
    assert resolve(TrainParams(), learner.classes().contract).content is None
    with pytest.raises(ParamsError, match='content must be null for a table, which has no images; it is "drawing"'):
        resolve(TrainParams(content="drawing"), learner.classes().contract)


@pytest.mark.parametrize(("x", "content"), [(drawings(), "drawing"), (photographs(), "photograph")])
def test_an_estimator_finds_out_by_itself_what_its_images_are(x: np.ndarray, content: str) -> None:
    model = SSGANClassifier(steps=2, batch=4, unlabelled=1).fit((x + 1) / 2, np.tile([0, 1, -1, -1], 5))
    assert model.knobs_["content"] == content
