"""Pictures of handwritten signs in the form that MNIST has them in.

MNIST's makers scaled each sign to fit 20 by 20 pixels, kept its proportions, and put its centre
of mass into the middle of 28 by 28: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
handwritten digits". What comes in that form passes through untouched.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np

Size = Literal["auto", "ink", "whole"]
Polarity = Literal["auto", "light_on_dark", "dark_on_light"]

SIDE, BOX = 28, 20  # pixels of the picture, and of the box that the sign fits in
WHITE = 255
FAINT = 0.25  # of the strongest ink; weaker pixels don't count when the sign's edges are looked for
LEAST_CONTRAST = 8  # grey levels; pictures with less have nothing on them
COLOURS = 3
SIGMA = 1.4826  # a normal deviation for a median one
TOP = 5  # the so-manieth strongest pixel tells how strong the ink is

# ITU-R BT.601: brightness, and two differences of hue.
TO_BRIGHTNESS_AND_HUE = np.array(
    [[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]], np.float32
)
WEIGHTS = np.array([1.0, 0.1, 0.1], np.float32)

Array = np.ndarray[Any, Any]


def refusals(pictures: Any) -> dict[int, str]:
    """Return why a picture can't be understood, by its position.

    Args:
        pictures: an array ``(pictures, height, width)``, with colours as a last axis or flat
            ``(pictures, height * width)`` of a square; or a list of single ones.
    """
    if isinstance(pictures, np.ndarray) and pictures.dtype == np.uint8 and _plain(pictures):
        flat = pictures.reshape(len(pictures), -1)
        spread = flat.max(axis=1).astype(np.int16) - flat.min(axis=1)
        blank = np.flatnonzero(spread < LEAST_CONTRAST)
        return {int(place): _blank(int(spread[place])) for place in blank}
    reasons = ((place, _refusal(one)) for place, one in enumerate(pictures))
    return {place: reason for place, reason in reasons if reason is not None}


def _plain(pictures: Array) -> bool:
    return pictures.ndim == COLOURS and pictures.size > 0


def _refusal(one: Any) -> str | None:
    picture = np.asarray(one)
    if picture.dtype.kind not in "buif":
        return f"it holds no numbers but {picture.dtype}"
    if _square(picture) is None:
        shape = " x ".join(map(str, picture.shape)) or "a single number"
        return f"it is no picture: its shape is {shape}"
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        return "it has numbers that are not finite"
    if picture.size and (picture.min() < 0 or picture.max() > WHITE):
        return (
            f"its numbers go from {picture.min():g} to {picture.max():g}; grey levels go from 0 to "
            f"{WHITE}, or from 0 to 1"
        )
    grey = _levels(_shaped(picture))
    spread = int(grey.max()) - int(grey.min()) if grey.size else 0
    return _blank(spread) if spread < LEAST_CONTRAST else None


def _blank(spread: int) -> str:
    return f"there is nothing on it: its pixels differ by {spread} of {WHITE} grey levels"


def prepare(pictures: Any, size: Size, polarity: Polarity) -> Array:
    """Return the pictures in MNIST's form: light ink on black, in the middle.

    Args:
        pictures: as :func:`refusals` takes them, none of which it refuses.
        size: ``auto`` leaves pictures of 28 by 28 as they are and takes the others for ``ink``:
            what is written is looked for, scaled and centred; ``whole`` scales the whole picture.
        polarity: what the ink is; ``auto`` goes by the edge of each picture, which is ground.

    Returns:
        uint8 of shape ``(pictures, 28, 28)``.
    """
    if not _in_form(pictures):
        return np.stack([_prepared(np.asarray(one), size, polarity) for one in pictures])
    dark = _dark_ink(pictures, polarity)
    if dark.any():
        pictures = np.where(dark[:, None, None], WHITE - pictures, pictures)
    if size == "ink":
        return np.stack([_prepared(one, size, "light_on_dark") for one in pictures])
    prepared: Array = pictures
    return prepared


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
    picture = _shaped(one)
    height, width = picture.shape[:2]
    if polarity != "auto":
        return _form(height, width, polarity == "dark_on_light")
    ink = _ink(picture, polarity)
    strongest = picture[np.unravel_index(int(ink.argmax()), ink.shape)]
    return _form(height, width, bool(np.mean(strongest) < np.mean(_ground(picture))))


def _form(height: int, width: int, dark: bool) -> str:
    return f"{width} x {height}, {'dark on light' if dark else 'light on dark'}"


def _prepared(one: Array, size: Size, polarity: Polarity) -> Array:
    shaped = _shaped(one)
    ink = _ink(shaped, polarity)
    if size == "whole":
        return _whole(ink)
    if size == "auto" and ink.shape == (SIDE, SIDE):
        return _bytes(_stretched(ink) if shaped.ndim == COLOURS else _as_written(shaped, ink))
    return _centred(ink)


def _as_written(picture: Array, ink: Array) -> Array:
    """Return a grey picture as it is, or turned over if its ink is dark."""
    turned = WHITE - picture
    return picture if np.abs(picture - ink).sum() < np.abs(turned - ink).sum() else turned


# ── one picture ──────────────────────────────────────────────────────────────────────────────


def _square(picture: Array) -> tuple[int, int] | None:
    """Return height and width of a picture, of a flat one if it is a square; None if it's none."""
    if picture.ndim == 2 or (picture.ndim == COLOURS and picture.shape[-1] in (1, 3, 4)):
        return (picture.shape[0], picture.shape[1]) if picture.size else None
    side = round(picture.size**0.5)
    return (side, side) if picture.ndim == 1 and side * side == picture.size > 1 else None


def _shaped(picture: Array) -> Array:
    """Return a picture as ``(height, width)`` or ``(height, width, 3)``, 0 to 255."""
    levels = _levels(picture)
    if levels.ndim == 1:
        side = round(levels.size**0.5)
        return levels.reshape(side, side)
    if levels.ndim == COLOURS and levels.shape[-1] == COLOURS + 1:
        return _on_white(levels)
    return levels[..., 0] if levels.ndim == COLOURS and levels.shape[-1] == 1 else levels


def _levels(picture: Array) -> Array:
    """Return numbers as levels from 0 to 255; fractions and truth values go from 0 to 1."""
    unit = picture.dtype.kind in "bf" and (picture.size == 0 or picture.max() <= 1)
    return picture.astype(np.float32) * (WHITE if unit else 1)


def _on_white(picture: Array) -> Array:
    """Return a picture with transparency as it looks on white paper; on black if it is white."""
    colours, opacity = picture[..., :COLOURS], picture[..., COLOURS:] / WHITE
    seen = colours[picture[..., COLOURS] > WHITE / 2]
    paper = 0 if seen.size and seen.mean() > WHITE / 2 and opacity.min() == 0 else WHITE
    mixed: Array = colours * opacity + paper * (1 - opacity)
    return mixed


def _ground(picture: Array) -> Array:
    """Return the colour of the ground: the usual one along the picture's edge."""
    ground: Array = np.median(_edge(picture), axis=0)
    return ground


def _edge(picture: Array) -> Array:
    """Return the pixels along the edge, ``(pixels, channels)``."""
    rows = picture.reshape(*picture.shape[:2], -1)
    return np.concatenate([rows[0], rows[-1], rows[1:-1, 0], rows[1:-1, -1]])


def _ink(picture: Array, polarity: Polarity) -> Array:
    """Return how much ink is on each pixel, 0 to 255: how far it is from ground to ink."""
    if polarity != "auto":
        grey = picture if picture.ndim == 2 else picture.mean(axis=-1)
        return WHITE - grey if polarity == "dark_on_light" else grey
    if picture.ndim == 2:
        away = picture - _ground(picture)
        signed: Array = away if away.max() >= -away.min() else -away
        return signed.clip(0)
    return _coloured_ink(picture)


def _coloured_ink(picture: Array) -> Array:
    """Return the ink of a picture in colours, along the line from the ground's to the ink's.

    Brightness counts more than hue, which files keep more coarsely; where ink and ground are
    equally bright, hue decides.
    """
    colours = picture @ TO_BRIGHTNESS_AND_HUE
    away = colours - _ground(colours)
    distance = np.sqrt((away**2).sum(axis=-1))
    strong = distance >= distance.max() / 2
    line = np.median(away[strong], axis=0)
    weighted = line * WEIGHTS
    along = (away @ weighted) / max(float(line @ weighted), 1e-6)
    ink: Array = np.clip(along, 0, 1.5) * float(np.sqrt((line**2).sum()))
    return ink


def _bytes(ink: Array) -> Array:
    levels: Array = np.clip(np.round(ink), 0, WHITE).astype(np.uint8)
    return levels


def _strength(ink: Array) -> tuple[float, float]:
    """Return the noise of the ground, and how strong the ink is."""
    edge = _edge(ink)
    noise = SIGMA * float(np.median(np.abs(edge - np.median(edge))))
    # Not the strongest pixel alone: it may be a speck.
    return noise, float(np.partition(ink, -TOP, axis=None)[-TOP]) if ink.size >= TOP else ink.max()


def _stretched(ink: Array) -> Array:
    """Return the ink at full strength, without what is no more than noise of the ground."""
    noise, strong = _strength(ink)
    floor = min(max(FAINT / 2 * strong, 2.5 * noise), strong / 2)
    return np.clip((ink - floor) / max(strong - floor, 1e-6), 0, 1) * WHITE


def _whole(ink: Array) -> Array:
    return _bytes(_resized(_stretched(ink), SIDE, SIDE))


def _centred(ink: Array) -> Array:
    """Return the sign scaled to its box, its centre of mass in the middle."""
    rows, columns = _extent(ink)
    sign = _stretched(ink)[rows, columns]
    scale = BOX / max(sign.shape)
    height, width = (max(1, round(length * scale)) for length in sign.shape)
    small = _resized(sign, height, width)
    top, left = (_start(small.sum(axis=axis), length) for axis, length in ((1, height), (0, width)))
    placed = np.zeros((SIDE, SIDE), np.float32)
    placed[top : top + height, left : left + width] = small
    return _bytes(placed)


def _extent(ink: Array) -> tuple[slice, slice]:
    """Return the rows and columns that the sign takes; specks do not count."""
    noise, strong = _strength(ink)
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
