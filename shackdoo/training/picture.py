"""Arrays as pictures, for the eyes of people."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

COLOURS = 3
LARGEST = 96  # pixels of a picture's longer side in a PNG


def as_picture(one: Any) -> np.ndarray[Any, Any] | None:
    """Return an array as a picture, or None if it does not have the shape of one.

    Numbers that are no bytes are spread from their least to their greatest.

    Args:
        one: ``(height, width)``, or with a last axis of 1, 3 or 4 channels.

    Returns:
        uint8 of shape ``(height, width)`` or ``(height, width, 3)``.
    """
    if not isinstance(one, np.ndarray) or one.dtype.kind not in "buif" or one.size == 0:
        return None
    if one.ndim == COLOURS and one.shape[-1] in (1, COLOURS, COLOURS + 1):
        one = one[..., 0] if one.shape[-1] == 1 else one[..., :COLOURS]
    elif one.ndim != 2:
        return None
    return one if one.dtype == np.uint8 else _spread(one.astype(np.float64))


def _spread(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    finite = np.where(np.isfinite(numbers), numbers, 0.0)
    least, greatest = finite.min(), finite.max()
    shares = (finite - least) / max(greatest - least, 1e-12)
    picture: np.ndarray[Any, Any] = np.round(shares * np.iinfo(np.uint8).max).astype(np.uint8)
    return picture


def as_png(picture: np.ndarray[Any, Any]) -> bytes:
    """Return a picture as a PNG file; one larger than ``LARGEST`` is made smaller.

    Args:
        picture: what :func:`as_picture` returns.
    """
    from PIL import Image

    step = -(-max(picture.shape[:2]) // LARGEST)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[::step, ::step])).save(file, "PNG", optimize=True)
    return file.getvalue()


def as_text(picture: np.ndarray[Any, Any] | None) -> str | None:
    """Return a picture as the base64 text of its PNG, None for none."""
    return None if picture is None else base64.b64encode(as_png(picture)).decode("ascii")
