"""Sheets of small pictures with what is said of each. An adapter of matplotlib."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from shackdoo.report.figure_file import save

RIGHT, WRONG, PLAIN = "#1a6b2f", "#a8201a", "#222222"  # told apart by the words as well
COLUMNS = 8
CELL = 1.05, 1.5  # inches, width and height
SIDE = 0.95  # inches: of the square that a picture fits into
TITLE = 0.4  # inches: height of what is above all cells
LONGEST = 14  # characters of a name under a picture


def sheet(content: Mapping[str, Any], path: Path) -> None:
    """Draw pictures of inputs in rows, each with the answer below it.

    Args:
        content: ``title``, and ``examples``: each with ``picture`` (a PNG as base64),
            ``predicted``, ``probability`` or None, and ``true`` if that is known.
        path: the PNG file.
    """
    examples = [example for example in content["examples"] if example.get("picture")]
    rows = max(1, math.ceil(len(examples) / COLUMNS))
    width, height = CELL[0] * COLUMNS, CELL[1] * rows + TITLE
    figure = Figure(figsize=(width, height))
    # One panel, in inches from the top left: with one for each picture it takes twice as long.
    panel = figure.add_axes((0, 0, 1, 1))
    panel.set_axis_off()
    panel.text(
        width / 2,
        TITLE / 2,
        content["title"],
        size="large",
        ha="center",
        va="center",
        parse_math=False,
    )
    for place, example in enumerate(examples):
        row, column = divmod(place, COLUMNS)
        _cell(panel, example, (column + 0.5) * CELL[0], TITLE + row * CELL[1])
    panel.set(xlim=(0, width), ylim=(height, 0))
    save(figure, path)


def _cell(panel: Axes, example: Mapping[str, Any], middle: float, top: float) -> None:
    with Image.open(io.BytesIO(base64.b64decode(example["picture"]))) as image:
        picture = np.asarray(image)
    height, width = (SIDE * size / max(picture.shape[:2]) for size in picture.shape[:2])
    panel.imshow(
        picture,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        aspect="auto",
        extent=(middle - width / 2, middle + width / 2, top + height, top),
    )
    true, predicted = example.get("true"), str(example["predicted"])
    colour = PLAIN if true is None else RIGHT if str(true) == predicted else WRONG
    panel.text(
        middle,
        top + height + 0.06,
        "\n".join(_lines(example)),
        fontsize=8,
        color=colour,
        ha="center",
        va="top",
        parse_math=False,
    )


def _lines(example: Mapping[str, Any]) -> list[str]:
    probability = example.get("probability")
    sure = "" if probability is None else f"  {probability:.0%}"
    lines = [f"{_short(str(example['predicted']))}{sure}"]
    if example.get("true") is not None:
        lines.append(f"true: {_short(str(example['true']))}")
    return lines


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
