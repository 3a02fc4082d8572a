"""The pictures of a run are drawn, whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from shackdoo.report.plots import FIGURES


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
