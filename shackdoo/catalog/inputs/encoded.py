"""Inputs as they come over the wire: numbers in nested lists, or pictures as base64 text."""

from __future__ import annotations

from typing import Any

import numpy as np

from shackdoo.catalog.inputs.batch import together
from shackdoo.catalog.inputs.pictures import NoBase64Error, PictureError, picture_in


class InputError(ValueError):
    """An input is neither numbers nor a picture.

    Attributes:
        position: which one, from 0 on.
    """

    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position


def decoded(inputs: Any, dtype: np.dtype[Any]) -> Any:
    """Return inputs as arrays.

    Args:
        inputs: an array; nested lists; texts, which are base64 of picture files, unless the
            model takes texts.
        dtype: of the model's inputs. Integers in JSON have no size: they get this one if it holds
            all of them, so that they are prepared just as they were in training.

    Returns:
        An array if all inputs have one shape, else a list of arrays.

    Raises:
        InputError: the first input that is none.
    """
    if isinstance(inputs, np.ndarray) and inputs.dtype != object:
        return inputs
    rows = inputs.tolist() if isinstance(inputs, np.ndarray) else list(inputs)
    if dtype.kind in "OSUT":
        return np.asarray(rows)
    return together([_narrowed(_one(row, place), dtype) for place, row in enumerate(rows)])


def _one(row: Any, place: int) -> np.ndarray[Any, Any]:
    if isinstance(row, str):
        return _picture(row, place)
    try:
        array = np.asarray(row)
    except ValueError:
        raise InputError(place, "its rows differ in their lengths") from None
    if array.dtype.kind not in "buif":
        raise InputError(place, "it is neither numbers nor the base64 text of a picture")
    return array


def _narrowed(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind != "i" or dtype.kind not in "iu" or not array.size:
        return array
    limits = np.iinfo(dtype)
    fits = limits.min <= array.min() and array.max() <= limits.max
    return array.astype(dtype) if fits else array


def _picture(text: str, place: int) -> np.ndarray[Any, Any]:
    try:
        return picture_in(text)
    except NoBase64Error:
        raise InputError(place, "it is text, and no base64 of a picture") from None
    except PictureError as error:
        raise InputError(place, str(error)) from None
