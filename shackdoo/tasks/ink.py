"""Ink on the ground of a picture: how much of it is on each pixel, whatever the colours are."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Polarity = Literal["auto", "light_on_dark", "dark_on_light"]
Array = np.ndarray[Any, Any]

WHITE = 255
FAINT = 0.25  # of the strongest ink; weaker pixels don't count when the sign's edges are looked for
COLOURS = 3
SIGMA = 1.4826  # a normal deviation for a median one
TOP = 5  # the so-manieth strongest pixel tells how strong the ink is

# ITU-R BT.601: brightness, and two differences of hue.
TO_BRIGHTNESS_AND_HUE = np.array(
    [[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]], np.float32
)
WEIGHTS = np.array([1.0, 0.1, 0.1], np.float32)


def height_and_width(picture: Array) -> tuple[int, int] | None:
    """Return height and width of a picture, of a flat one if it is a square; None if it's none."""
    if picture.ndim == 2 or (picture.ndim == COLOURS and picture.shape[-1] in (1, 3, 4)):
        return (picture.shape[0], picture.shape[1]) if picture.size else None
    side = round(picture.size**0.5)
    return (side, side) if picture.ndim == 1 and side * side == picture.size > 1 else None


def shaped(picture: Array) -> Array:
    """Return a picture as ``(height, width)`` or ``(height, width, 3)``, 0 to 255."""
    whole = levels(picture)
    if whole.ndim == 1:
        side = round(whole.size**0.5)
        return whole.reshape(side, side)
    if whole.ndim == COLOURS and whole.shape[-1] == COLOURS + 1:
        return _on_white(whole)
    return whole[..., 0] if whole.ndim == COLOURS and whole.shape[-1] == 1 else whole


def levels(picture: Array) -> Array:
    """Return numbers as levels from 0 to 255; what has none above 1 goes from 0 to 1."""
    unit = picture.size == 0 or picture.max() <= 1
    return picture.astype(np.float32) * (WHITE if unit else 1)


def _on_white(picture: Array) -> Array:
    """Return a picture with transparency as it looks on white paper; on black if it is white."""
    colours, opacity = picture[..., :COLOURS], picture[..., COLOURS:] / WHITE
    seen = colours[picture[..., COLOURS] > WHITE / 2]
    paper = 0 if seen.size and seen.mean() > WHITE / 2 and opacity.min() == 0 else WHITE
    mixed: Array = colours * opacity + paper * (1 - opacity)
    return mixed


def ground(picture: Array) -> Array:
    """Return the colour of the ground: the usual one along the picture's edge."""
    usual: Array = np.median(_edge(picture), axis=0)
    return usual


def _edge(picture: Array) -> Array:
    """Return the pixels along the edge, ``(pixels, channels)``."""
    rows = picture.reshape(*picture.shape[:2], -1)
    return np.concatenate([rows[0], rows[-1], rows[1:-1, 0], rows[1:-1, -1]])


def ink_on(picture: Array, polarity: Polarity) -> Array:
    """Return how much ink is on each pixel, 0 to 255: how far it is from ground to ink."""
    if polarity != "auto":
        grey = picture if picture.ndim == 2 else picture.mean(axis=-1)
        return WHITE - grey if polarity == "dark_on_light" else grey
    if picture.ndim == 2:
        away = picture - ground(picture)
        signed: Array = away if away.max() >= -away.min() else -away
        return signed.clip(0)
    return _coloured_ink(picture)


def _coloured_ink(picture: Array) -> Array:
    """Return the ink of a picture in colours, along the line from the ground's to the ink's.

    Brightness counts more than hue, which files keep more coarsely; where ink and ground are
    equally bright, hue decides.
    """
    colours = picture @ TO_BRIGHTNESS_AND_HUE
    away = colours - ground(colours)
    distance = np.sqrt((away**2).sum(axis=-1))
    strong = distance >= distance.max() / 2
    line = np.median(away[strong], axis=0)
    weighted = line * WEIGHTS
    along = (away @ weighted) / max(float(line @ weighted), 1e-6)
    ink: Array = np.clip(along, 0, 1.5) * float(np.sqrt((line**2).sum()))
    return ink


def strength(ink: Array) -> tuple[float, float]:
    """Return the noise of the ground, and how strong the ink is."""
    edge = _edge(ink)
    noise = SIGMA * float(np.median(np.abs(edge - np.median(edge))))
    # Not the strongest pixel alone: it may be a speck.
    return noise, float(np.partition(ink, -TOP, axis=None)[-TOP]) if ink.size >= TOP else ink.max()


def stretched(ink: Array) -> Array:
    """Return the ink at full strength, without what is no more than noise of the ground."""
    noise, strong = strength(ink)
    floor = min(max(FAINT / 2 * strong, 2.5 * noise), strong / 2)
    return np.clip((ink - floor) / max(strong - floor, 1e-6), 0, 1) * WHITE
