"""The pictures of a run are drawn, whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from shackdoo.report.drawing import FILES, draw
from shackdoo.report.plots import FIGURES
from tests.report.runs_shown import class_parts, content, value_parts


def size(png: Path) -> tuple[int, int]:
    head = png.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", head[16:24])


@pytest.mark.parametrize("epochs", [1, 10])
def test_learning_curves(epochs: int, tmp_path: Path) -> None:
    history = {name: [1 / (e + 1) for e in range(epochs)] for name in ("loss", "val_loss", "mae")}
    content = {"title": "Mnist_B", "history": {**history, "epoch_seconds": [1.0] * epochs}}
    file = tmp_path / "new" / "curves.png"
    FIGURES["learning_curves"](content, file)
    width, height = size(file)
    assert width > height > 300
    assert [path.name for path in file.parent.iterdir()] == ["curves.png"]


def test_confusion_matrix(tmp_path: Path) -> None:
    file = tmp_path / "confusion.png"
    FIGURES["confusion_matrix"]({"title": "t", "counts": [[9, 1], [0, 0]]}, file)
    assert min(size(file)) > 300


def test_nothing_is_left_of_a_picture_that_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        FIGURES["confusion_matrix"]({"title": "t", "counts": [[1, 2], [3]]}, tmp_path / "c.png")
    assert list(tmp_path.iterdir()) == []


def test_whatever_can_be_drawn_has_a_file(tmp_path: Path) -> None:
    assert set(FILES) == {*FIGURES, "report"}
    draw("report", content(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("parts", [class_parts(["no", "yes"]), value_parts()])
def test_what_is_found_worst_fills_a_sheet(parts: list[dict[str, Any]], tmp_path: Path) -> None:
    (examples,) = [part["examples"] for part in parts if "examples" in part]
    draw("worst_mistakes", {"title": "t", "examples": examples}, tmp_path / "sheet.png")
    width, height = size(tmp_path / "sheet.png")
    assert width > height > 300
