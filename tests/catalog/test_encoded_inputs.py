"""Inputs as they come over the wire are arrays afterwards, just as training had them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shackdoo.catalog.inputs.encoded import InputError, decoded

BYTES = np.dtype("uint8")


def text(picture: np.ndarray[Any, Any], kind: str = "PNG") -> str:
    target = io.BytesIO()
    Image.fromarray(picture).save(target, kind)
    return base64.b64encode(target.getvalue()).decode()


def test_integers_get_the_type_of_the_model_s_inputs_if_it_holds_them() -> None:
    assert decoded([[0, 255]], BYTES).dtype == np.uint8
    assert decoded([[0, 256]], BYTES).dtype == np.int64
    assert decoded([[-1, 255]], BYTES).dtype == np.int64
    assert decoded([[0.5, 1]], BYTES).dtype == np.float64
    assert decoded([[1, 2]], np.dtype("float32")).dtype == np.int64


def test_an_array_stays_what_it_is() -> None:
    array = np.zeros((2, 3), np.float32)
    assert decoded(array, BYTES) is array


def test_objects_of_one_shape_are_one_array_and_of_several_a_list() -> None:
    equal = np.array([[[0, 1], [2, 3]], [[4, 5], [6, 7]]], dtype=object)
    assert decoded(equal, BYTES).shape == (2, 2, 2)
    ragged = decoded([[[0, 1]], [[1], [2]]], BYTES)
    assert [(one.shape, one.dtype.name) for one in ragged] == [((1, 2), "uint8"), ((2, 1), "uint8")]


def test_pictures_come_as_base64_text_with_and_without_a_data_address() -> None:
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    png = text(picture)
    (one, two) = decoded([png, f"data:image/png;base64,{png}"], BYTES)
    np.testing.assert_array_equal(one, picture)
    np.testing.assert_array_equal(two, picture)
    assert decoded([text(picture, "JPEG")], BYTES).shape == (1, 8, 8)


def test_text_stays_text_for_a_model_that_takes_it() -> None:
    assert decoded(["a", "b"], np.dtype(object)).tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("no base64!", "no base64 of a picture"),
        (base64.b64encode(b"hello").decode(), "it is no picture"),
        ([[1, 2], [3]], "differ in their lengths"),
        ([["a", "b"]], "neither numbers nor the base64 text"),
        (None, "neither numbers nor the base64 text"),
        ({"b64": "x"}, "neither numbers nor the base64 text"),
    ],
)
def test_what_is_no_input_is_told_with_its_position(wrong: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        decoded([[[1, 2]], wrong], BYTES)
    assert caught.value.position == 1
