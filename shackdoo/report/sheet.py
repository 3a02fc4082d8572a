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
    figure = Figure(figsize=(CELL[0] * COLUMNS, CELL[1] * rows + 0.4), layout="constrained")
    figure.suptitle(content["title"], parse_math=False)
    cells = np.atleast_1d(figure.subplots(rows, COLUMNS)).reshape(-1)
    for cell in cells:
        cell.set_axis_off()
    for cell, example in zip(cells, examples, strict=False):
        _cell(cell, example)
    save(figure, path)


def _cell(cell: Axes, example: Mapping[str, Any]) -> None:
    with Image.open(io.BytesIO(base64.b64decode(example["picture"]))) as image:
        picture = np.asarray(image)
    cell.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    true, predicted = example.get("true"), str(example["predicted"])
    colour = PLAIN if true is None else RIGHT if str(true) == predicted else WRONG
    cell.text(
        0.5,
        -0.06,
        "\n".join(_lines(example)),
        transform=cell.transAxes,
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
