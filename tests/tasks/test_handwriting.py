"""Pictures of digits in MNIST's form, whatever form they come in."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shackdoo.tasks import handwriting

Array = np.ndarray[Any, Any]


def ring(side: int = 28) -> Array:
    """An O, light on dark, in the middle."""
    down, right = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.hypot(down, right * 1.4) / side
    return np.where((radius > 0.2) & (radius < 0.32), 255, 0).astype(np.uint8)


def prepared(picture: Array, size: Any = "auto", polarity: Any = "auto") -> Array:
    assert handwriting.refusals([picture]) == {}
    (one,) = handwriting.prepare([picture], size, polarity)
    assert (one.shape, one.dtype) == ((28, 28), np.uint8)
    return one


def likeness(one: Array, other: Array) -> float:
    return float(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1])


def on_paper(picture: Array, width: int, height: int, left: int, top: int) -> Array:
    paper = np.zeros((height, width), np.uint8)
    paper[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return paper


def test_what_has_mnist_s_form_passes_untouched_and_is_not_even_copied() -> None:
    pictures = np.stack([ring(), ring()])
    assert handwriting.prepare(pictures, "auto", "auto") is pictures


def test_dark_on_light_is_turned_over_each_for_itself() -> None:
    mixed = np.stack([ring(), 255 - ring()])
    np.testing.assert_array_equal(handwriting.prepare(mixed, "auto", "auto"), [ring(), ring()])
    assert handwriting.forms(mixed, "auto") == {
        "28 x 28, dark on light": 1,
        "28 x 28, light on dark": 1,
    }


def test_polarity_can_be_set() -> None:
    np.testing.assert_array_equal(
        handwriting.prepare(ring()[None], "auto", "dark_on_light"), 255 - ring()[None]
    )
    assert handwriting.forms(ring()[None], "dark_on_light") == {"28 x 28, dark on light": 1}
    assert likeness(prepared(255 - ring(60), polarity="dark_on_light"), prepared(ring(60))) > 0.99


@pytest.mark.parametrize(("left", "top"), [(0, 0), (40, 20), (13, 2)])
def test_a_sign_anywhere_on_a_larger_picture_comes_into_the_middle(left: int, top: int) -> None:
    paper = on_paper(ring(60), 100, 80, left, top)
    middle = prepared(on_paper(ring(60), 100, 80, 20, 10))
    for picture in (paper, 255 - paper):
        np.testing.assert_array_equal(prepared(picture), middle)
    rows = np.flatnonzero(middle.any(axis=1))
    assert 18 <= rows[-1] - rows[0] + 1 <= 20
    assert handwriting.forms([255 - paper], "auto") == {"100 x 80, dark on light": 1}


def test_a_speck_and_noise_do_not_count_as_ink() -> None:
    noisy = on_paper(ring(60), 100, 80, 20, 10).astype(float)
    noisy += np.random.default_rng(0).normal(0, 8, noisy.shape)
    noisy[2, 3] = 255
    noisy = np.clip(noisy, 0, 255).astype(np.uint8)
    clean = prepared(on_paper(ring(60), 100, 80, 20, 10))
    # The centre lies between two pixels, and noise tips it to one of them.
    moved = [np.roll(prepared(noisy), move, axis=1) for move in (-1, 0, 1)]
    assert max(likeness(one, clean) for one in moved) > 0.97


@pytest.mark.parametrize(
    ("ink", "ground"), [((255, 0, 0), (0, 0, 255)), ((20, 90, 20), (230, 230, 90))]
)
def test_colours_are_told_by_how_far_they_are_from_the_ground(ink: Any, ground: Any) -> None:
    share = ring()[..., None] / 255
    coloured = np.round(share * ink + (1 - share) * ground).astype(np.uint8)
    assert likeness(prepared(coloured), ring()) > 0.99
    buffer = io.BytesIO()
    Image.fromarray(coloured).save(buffer, "JPEG", quality=90)
    assert likeness(prepared(np.asarray(Image.open(buffer))), ring()) > 0.9


def test_transparency_is_paper() -> None:
    black = np.zeros((28, 28, 3), np.uint8)
    seen = np.concatenate([black, ring()[..., None]], axis=-1)
    assert likeness(prepared(seen), ring()) > 0.99
    white = np.concatenate([255 - black, ring()[..., None]], axis=-1)
    assert likeness(prepared(white), ring()) > 0.99


def test_numbers_of_other_kinds_are_levels() -> None:
    for other in (ring() / 255, ring().astype(np.int64), ring() > 0, ring().reshape(-1)):
        np.testing.assert_array_equal(prepared(np.asarray(other)), ring())


def test_a_picture_can_be_taken_whole_or_by_its_ink() -> None:
    corner = on_paper(ring(20), 28, 28, 0, 0)
    np.testing.assert_array_equal(prepared(corner), corner)
    assert prepared(corner, size="ink")[14:].any()
    whole = prepared(on_paper(ring(50), 100, 100, 0, 0), size="whole")
    assert not whole[16:].any()


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.full((30, 30), 255, np.uint8), "there is nothing on it: its pixels differ by 0"),
        (np.zeros((28, 28), np.float32), "there is nothing on it"),
        (np.zeros(5), "it is no picture: its shape is 5"),
        (np.zeros((2, 3, 4, 5)), "it is no picture: its shape is 2 x 3 x 4 x 5"),
        (np.float64(3), "it is no picture: its shape is a single number"),
        (np.array([["a"]]), "it holds no numbers but <U1"),
        (np.full((9, 9), np.nan), "it has numbers that are not finite"),
        (np.array([[0, 300]]), "its numbers go from 0 to 300; grey levels go from 0 to 255"),
        (np.array([[-1.0, 1]]), "its numbers go from -1 to 1; grey levels"),
        (np.zeros((0, 4)), "it is no picture: its shape is 0 x 4"),
    ],
)
def test_what_can_t_be_understood_is_refused(picture: Array, reason: str) -> None:
    refused = handwriting.refusals([ring(), picture])
    assert list(refused) == [1]
    assert reason in refused[1]


def test_blank_pictures_in_an_array_are_refused_by_their_position() -> None:
    pictures = np.stack([ring(), np.zeros((28, 28), np.uint8), ring()])
    assert list(handwriting.refusals(pictures)) == [1]


def test_faint_ink_is_strengthened_and_whole_numbers_up_to_one_are_shares() -> None:
    for faint in (ring() // 16, ring() // 4, (ring() > 0).astype(np.int64), (ring() > 0) * 1):
        assert likeness(prepared(np.asarray(faint)), ring()) > 0.99
    binary = (ring() > 0).astype(np.uint8)
    mixed = np.stack([ring(), ring() // 8, binary, 255 - ring() // 4])
    assert handwriting.refusals(mixed) == {}
    clear, *others = handwriting.prepare(mixed, "auto", "auto")
    np.testing.assert_array_equal(clear, ring())
    for one in others:
        assert likeness(one, ring()) > 0.99
