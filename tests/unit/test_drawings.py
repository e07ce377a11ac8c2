"""Images of ink on a plain ground are told from photographs, and learned from in another way."""

from __future__ import annotations

import io

import learner
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from ssgan import SSGANClassifier
from ssgan.config import TrainParams
from ssgan.contract import ImageColumn
from ssgan.drawings import content_of
from ssgan.intake.draft import draft_contract
from ssgan.learn.knobs import resolve


def drawings(rows: int = 20, ground: int = 0) -> np.ndarray:
    """Strokes of two pixels, one down and one across, uint8 [n, 20, 20]."""
    rng, images = np.random.default_rng(0), np.full((rows, 20, 20), ground, np.uint8)
    for image, (row, column) in zip(images, rng.integers(2, 16, (rows, 2)), strict=True):
        image[row : row + 2], image[:, column : column + 2] = 255 - ground, 140
    return images


def photographs(rows: int = 20) -> np.ndarray:
    """Light that falls off to one side, and grain, uint8 [n, 20, 20]."""
    rng, fall = np.random.default_rng(0), np.linspace(30, 220, 20)
    return np.clip(fall + rng.normal(0, 20, (rows, 20, 20)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("ground", [0, 255])
def test_marks_on_a_plain_ground_are_drawings_whether_light_or_dark(ground: int) -> None:
    assert content_of(drawings(ground=ground)) == "drawing"


def test_light_that_falls_off_is_a_photograph_s() -> None:
    assert content_of(photographs()) == "photograph"


def test_an_object_on_a_black_ground_is_a_photograph_unless_it_is_small() -> None:
    images = photographs()
    images[:, :, :10] = 0
    assert content_of(images) == "photograph"


@pytest.mark.parametrize("images", [drawings(), photographs()])
def test_fractions_are_judged_as_the_whole_numbers_that_they_stand_for(images: np.ndarray) -> None:
    assert content_of(images / 255) == content_of(images) == content_of(images[..., None])


def test_images_in_colour_are_photographs() -> None:
    assert content_of(np.repeat(drawings()[..., None], 3, axis=3)) == "photograph"


def test_a_contract_refuses_drawings_in_colour() -> None:
    with pytest.raises(ValidationError, match="content must be photograph for images in colour; channels is 3"):
        ImageColumn(type="image", height=20, width=20, channels=3, content="drawing")


@pytest.mark.parametrize(("images", "said"), [(drawings(), "content: drawing"), (photographs(), "channels: 1}")])
def test_a_drafted_contract_says_what_the_images_are(images: np.ndarray, said: str) -> None:
    pngs = []
    for image in images:
        Image.fromarray(image).save(buffer := io.BytesIO(), "PNG")
        pngs.append(buffer.getvalue())
    table = pd.DataFrame({"image": pngs, "sign": ["a", "b"] * 10})
    (line,) = (line for line in draft_contract(table, "sign", "signs").splitlines() if "type: image" in line)
    assert said in line


def test_drawings_are_learned_from_with_noise_and_photographs_with_strong_changes() -> None:
    drawn, seen = (
        resolve(TrainParams(), learner.images(20, 20, rows=4, content=content).contract)
        for content in ("drawing", "photograph")
    )
    names = ("noise", "stir", "cutout")
    assert [getattr(drawn, name) for name in names] == [0.8, 1.0, 0.0]
    assert [getattr(seen, name) for name in names] == [0.05, 2.0, 0.4]


def test_an_estimator_finds_out_by_itself_what_its_images_are() -> None:
    images, y = drawings(), np.tile([0, 1, -1, -1], 5)
    model = SSGANClassifier(steps=2, batch=4, unlabelled=1).fit(images, y)
    assert model.knobs_["noise"] == 0.8
