"""Images moved, turned and stretched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import learner
import numpy as np
import pytest
from learner import fit
from scipy.ndimage import affine_transform

from ssgan.config import TrainParams
from ssgan.errors import ParamsError
from ssgan.learn.backend import Draws, constant, keras
from ssgan.learn.knobs import resolve
from ssgan.learn.moves import moves, stirs

IMAGES = np.random.default_rng(0).random((400, 5, 6, 3)).astype(np.float32)


def moved(reach: int, step: int = 0) -> np.ndarray:
    draws = Draws(0)
    draws.start(constant(np.int32(step)))
    return np.asarray(keras.ops.convert_to_numpy(moves(reach, 0.0, False, draws)(constant(IMAGES))))


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), "edge")
    return padded[2 - down : 7 - down, 2 - right : 8 - right]


def test_every_image_is_moved_by_whole_pixels_and_every_move_within_reach_occurs() -> None:
    seen = set()
    for image, found in zip(IMAGES, moved(2), strict=True):
        moves = [(a, b) for a in range(-2, 3) for b in range(-2, 3) if np.array_equal(shifted(image, a, b), found)]
        assert len(moves) == 1
        seen.update(moves)
    assert len(seen) == 25


def test_half_of_the_images_are_mirrored_where_that_means_the_same_and_none_otherwise() -> None:
    for mirror, fewest, most in ((True, 160, 240), (False, 0, 0)):
        found = stirred(IMAGES, mirror=mirror)
        turned = (found == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
        assert fewest <= turned.sum() <= most
        assert np.array_equal(found[~turned], IMAGES[~turned])


def test_a_warp_reads_every_pixel_from_its_place_between_four() -> None:
    numbers = np.random.default_rng(1).uniform(-1, 1, (6, 400, 1, 1)).astype(np.float32)

    class Given:
        def uniform(self, shape: Any, low: float, high: float) -> Any:
            assert (tuple(shape), low, high) == (numbers.shape, -1.0, 1.0)
            return constant(numbers)

    found = moves(2, 0.3, False, Given())(constant(IMAGES))  # type: ignore[arg-type]
    centre = np.array([2.0, 2.5])
    for place, (image, warped) in enumerate(zip(IMAGES, np.asarray(keras.ops.convert_to_numpy(found)), strict=True)):
        a, b, down, c, d, right = numbers[:, place, 0, 0]
        matrix = np.eye(2) + 0.3 * np.array([[a, b], [c, d]])
        offset = centre - matrix @ centre + 2 * np.array([down, right])
        for colour in range(3):
            wanted = affine_transform(image[..., colour], matrix, offset, order=1, mode="nearest")
            assert np.allclose(warped[..., colour], wanted, atol=1e-4)


def test_moves_are_a_function_of_the_step() -> None:
    assert np.array_equal(moved(1, 3), moved(1, 3))
    assert not np.array_equal(moved(1, 3), moved(1, 4))


def test_without_knobs_nothing_is_moved_and_no_number_drawn() -> None:
    class Nothing:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    x = constant(IMAGES)
    assert moves(0, 0.0, False, Nothing())(x) is x  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "pixels"), [(8, 1), (28, 2), (32, 2), (64, 4)])
def test_images_are_moved_by_a_sixteenth_of_their_size(size: int, pixels: int) -> None:
    assert resolve(TrainParams(), learner.images(size, size, rows=4).contract).shift == pixels


def test_a_table_has_nothing_to_move() -> None:
    assert resolve(TrainParams(), learner.classes().contract).shift == 0
    for name, value in {"shift": 1, "warp": 0.1, "mirror": True, "cutout": 0.3, "tint": 0.2}.items():
        with pytest.raises(ParamsError, match=rf"train\.{name} must be left out for a table, .* it is {value}"):
            fit(learner.classes(), **{name: value})


def test_the_twin_sees_moved_images_too() -> None:
    case = learner.images()
    still, moving = (
        fit(case, steps=5, gan_weight=0, consistency="none", shift=each).outputs(case.x)[0] for each in (0, 1)
    )
    assert not np.array_equal(still, moving)


def stirred(images: np.ndarray, **knobs: float) -> np.ndarray:
    draws = Draws(0)
    draws.start(constant(np.int32(0)))
    still = Stirred(**{"shift": 0, "warp": 0.0, "mirror": False, "stir": 2.0, "cutout": 0.0, "tint": 0.0, **knobs})
    return np.asarray(keras.ops.convert_to_numpy(stirs(still, draws)(constant(images))))


class Stirred(SimpleNamespace):
    shift: int
    warp: float
    mirror: bool
    stir: float
    cutout: float
    tint: float


def test_unlabelled_images_are_moved_further_by_the_given_factor() -> None:
    assert np.array_equal(stirred(IMAGES, shift=1, stir=3.0), moved(3))
    assert np.array_equal(stirred(IMAGES, shift=0), IMAGES)


def test_a_cutout_hides_a_square_of_the_given_share_and_nothing_else() -> None:
    ones = np.ones((300, 20, 20, 3), np.float32)
    found = stirred(ones, cutout=0.4)
    assert set(np.unique(found)) == {0.0, 1.0}
    hidden = found[..., 0] == 0
    assert np.array_equal(found == 0, np.repeat(hidden[..., None], 3, axis=3))
    for each in hidden:
        rows, columns = each.any(axis=1), each.any(axis=0)
        assert np.array_equal(each, rows[:, None] & columns[None, :])
        assert rows.sum() <= 8
        assert columns.sum() <= 8
    assert hidden.any(axis=(1, 2)).mean() > 0.95
    assert hidden.sum(axis=(1, 2)).max() == 64


def test_a_tint_is_one_gain_and_one_shift_for_each_colour_of_each_image() -> None:
    found = stirred(IMAGES, tint=0.3)
    for image, tinted in zip(IMAGES[:50], found[:50], strict=True):
        for colour in range(3):
            gain, shift = np.polyfit(image[..., colour].ravel(), tinted[..., colour].ravel(), 1)
            assert np.allclose(tinted[..., colour], gain * image[..., colour] + shift, atol=1e-4)
            assert 0.69 < gain < 1.31
            assert abs(shift) < 0.31
    assert np.ptp(found - IMAGES) > 0.3


def test_unlabelled_photographs_are_tinted_grey_ones_too_and_drawings_are_not() -> None:
    grey, colour = (resolve(TrainParams(), learner.images(16, 16, each, rows=4).contract) for each in (1, 3))
    drawn = resolve(TrainParams(content="drawing"), learner.images(16, 16, 1, rows=4).contract)
    assert (grey.tint, colour.tint, drawn.tint) == (0.3, 0.3, 0.0)


def test_unlabelled_images_of_a_few_pixels_are_changed_no_more_than_labelled_ones() -> None:
    small, large = (resolve(TrainParams(), learner.images(each, each, rows=4).contract) for each in (15, 16))
    names = ("stir", "cutout", "unlabelled", "consistency_weight", "gan_weight")
    assert [getattr(small, name) for name in names] == [1.0, 0.0, 3, 1.0, 1.0]
    assert [getattr(large, name) for name in names] == [2.0, 0.4, 6, 5.0, 0.1]
