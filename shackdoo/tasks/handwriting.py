"""Pictures of handwritten signs in the form that MNIST has them in.

MNIST's makers scaled each sign to fit 20 by 20 pixels, kept its proportions, and put its centre
of mass into the middle of 28 by 28: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
handwritten digits". What comes in that form passes through untouched.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np

from shackdoo.tasks.ink import (
    COLOURS,
    FAINT,
    WHITE,
    Array,
    Polarity,
    ground,
    height_and_width,
    ink_on,
    shaped,
    strength,
    stretched,
)

Size = Literal["auto", "ink", "whole"]

SIDE, BOX = 28, 20  # pixels of the picture, and of the box that the sign fits in
STRONG = 128  # levels of contrast that ink has as a rule; fainter ink is strengthened
LEAST_CONTRAST = 8  # grey levels; pictures with less have nothing on them


def refusals(pictures: Any) -> dict[int, str]:
    """Return why a picture can't be understood, by its position.

    Args:
        pictures: an array ``(pictures, height, width)``, with colours as a last axis or flat
            ``(pictures, height * width)`` of a square; or a list of single ones.
    """
    places = list(range(len(pictures)))
    if _in_form(pictures):  # most are fine, and told so at once
        places = np.flatnonzero(_spreads(pictures) < STRONG).tolist()
    reasons = ((place, _refusal(pictures[place])) for place in places)
    return {place: reason for place, reason in reasons if reason is not None}


def _spreads(pictures: Array) -> Array:
    """Return by how many levels the pixels of each picture differ."""
    flat = pictures.reshape(len(pictures), -1)
    spreads: Array = flat.max(axis=1).astype(np.int16) - flat.min(axis=1)
    return spreads


def _refusal(one: Any) -> str | None:
    picture = np.asarray(one)
    if picture.dtype.kind not in "buif":
        return f"it holds no numbers but {picture.dtype}"
    if height_and_width(picture) is None:
        shape = " x ".join(map(str, picture.shape)) or "a single number"
        return f"it is no picture: its shape is {shape}"
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        return "it has numbers that are not finite"
    if picture.size and (picture.min() < 0 or picture.max() > WHITE):
        return (
            f"its numbers go from {picture.min():g} to {picture.max():g}; grey levels go from 0 to "
            f"{WHITE}, or from 0 to 1"
        )
    grey = shaped(picture)
    spread = int(grey.max()) - int(grey.min()) if grey.size else 0
    return _blank(spread) if spread < LEAST_CONTRAST else None


def _blank(spread: int) -> str:
    return f"there is nothing on it: its pixels differ by {spread} of {WHITE} grey levels"


def prepare(pictures: Any, size: Size, polarity: Polarity) -> Array:
    """Return the pictures in MNIST's form: light ink on black, in the middle.

    Args:
        pictures: as :func:`refusals` takes them, none of which it refuses.
        size: ``auto`` leaves pictures of 28 by 28 as they are (faint ones are strengthened) and
            takes the others for ``ink``: what is written is looked for, scaled and centred;
            ``whole`` scales the whole picture.
        polarity: what the ink is; ``auto`` goes by the edge of each picture, which is ground.

    Returns:
        uint8 of shape ``(pictures, 28, 28)``.
    """
    if not _in_form(pictures):
        return np.stack([_prepared(np.asarray(one), size, polarity) for one in pictures])
    dark = _dark_ink(pictures, polarity)
    faint = np.flatnonzero(_spreads(pictures) < STRONG)
    if size == "ink" or len(faint) > 0:
        some = range(len(pictures)) if size == "ink" else faint.tolist()
        one_by_one = {place: _prepared(pictures[place], size, polarity) for place in some}
    else:
        one_by_one = {}
    if dark.any():
        pictures = np.where(dark[:, None, None], WHITE - pictures, pictures)
    if not one_by_one:
        prepared: Array = pictures
        return prepared
    return np.stack([one_by_one.get(place, one) for place, one in enumerate(pictures)])


def _in_form(pictures: Any) -> bool:
    return (
        isinstance(pictures, np.ndarray)
        and pictures.dtype == np.uint8
        and pictures.shape[1:] == (SIDE, SIDE)
    )


def _dark_ink(pictures: Array, polarity: Polarity) -> Array:
    """Return for each grey picture whether its ink is darker than its ground."""
    if polarity != "auto":
        return np.full(len(pictures), polarity == "dark_on_light")
    edge = np.concatenate(
        [pictures[:, 0], pictures[:, -1], pictures[:, 1:-1, 0], pictures[:, 1:-1, -1]], axis=1
    )
    dark: Array = edge.mean(axis=1) > WHITE / 2
    return dark


def forms(pictures: Any, polarity: Polarity) -> dict[str, int]:
    """Return how the pictures look as they come, and how many look so.

    Args:
        pictures: as :func:`prepare` takes them.
        polarity: likewise.
    """
    if _in_form(pictures):
        dark = int(_dark_ink(pictures, polarity).sum())
        counts = {_form(SIDE, SIDE, True): dark, _form(SIDE, SIDE, False): len(pictures) - dark}
        return {form: count for form, count in counts.items() if count}
    return dict(Counter(_looks(np.asarray(one), polarity) for one in pictures))


def _looks(one: Array, polarity: Polarity) -> str:
    picture = shaped(one)
    height, width = picture.shape[:2]
    if polarity != "auto":
        return _form(height, width, polarity == "dark_on_light")
    ink = ink_on(picture, polarity)
    strongest = picture[np.unravel_index(int(ink.argmax()), ink.shape)]
    return _form(height, width, bool(np.mean(strongest) < np.mean(ground(picture))))


def _form(height: int, width: int, dark: bool) -> str:
    return f"{width} x {height}, {'dark on light' if dark else 'light on dark'}"


def _prepared(one: Array, size: Size, polarity: Polarity) -> Array:
    picture = shaped(one)
    ink = ink_on(picture, polarity)
    if size == "whole":
        return _whole(ink)
    if size == "auto" and ink.shape == (SIDE, SIDE):
        weak = picture.ndim == COLOURS or float(ink.max()) < STRONG
        return _bytes(stretched(ink) if weak else _as_written(picture, ink))
    return _centred(ink)


def _as_written(picture: Array, ink: Array) -> Array:
    """Return a grey picture as it is, or turned over if its ink is dark."""
    turned = WHITE - picture
    return picture if np.abs(picture - ink).sum() < np.abs(turned - ink).sum() else turned


def _bytes(ink: Array) -> Array:
    rounded: Array = np.clip(np.round(ink), 0, WHITE).astype(np.uint8)
    return rounded


def _whole(ink: Array) -> Array:
    return _bytes(_resized(stretched(ink), SIDE, SIDE))


def _centred(ink: Array) -> Array:
    """Return the sign scaled to its box, its centre of mass in the middle."""
    rows, columns = _extent(ink)
    sign = stretched(ink)[rows, columns]
    scale = BOX / max(sign.shape)
    height, width = (max(1, round(length * scale)) for length in sign.shape)
    small = _resized(sign, height, width)
    top, left = (_start(small.sum(axis=axis), length) for axis, length in ((1, height), (0, width)))
    placed = np.zeros((SIDE, SIDE), np.float32)
    placed[top : top + height, left : left + width] = small
    return _bytes(placed)


def _extent(ink: Array) -> tuple[slice, slice]:
    """Return the rows and columns that the sign takes; specks do not count."""
    noise, strong = strength(ink)
    inked = ink > max(FAINT * strong, min(4 * noise, strong / 2))
    padded = np.pad(inked, 1).astype(np.int8)
    height, width = ink.shape
    beside = sum(
        padded[down : down + height, right : right + width]
        for down in range(3)
        for right in range(3)
    )
    connected = inked & (beside >= 3)  # itself and two neighbours
    if not connected.any():
        connected = inked
    rows, columns = (np.flatnonzero(connected.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _start(mass: Array, length: int) -> int:
    """Return where to put a sign along one axis, inside the picture."""
    centre = float((mass * np.arange(length)).sum() / max(float(mass.sum()), 1e-6))
    return min(max(round((SIDE - 1) / 2 - centre), 0), SIDE - length)


def _resized(picture: Array, height: int, width: int) -> Array:
    """Return a picture in another size; what gets smaller is averaged."""
    from PIL import Image

    image = Image.fromarray(picture.astype(np.float32))
    # Bilinear in Pillow averages over all that falls into a pixel when a picture gets smaller.
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
