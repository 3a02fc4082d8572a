"""Titles are plain text; content that makes no picture is refused and leaves no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shackdoo.report.plots import FIGURES

CONTENT: dict[str, dict[str, Any]] = {
    "learning_curves": {"history": {"loss": [1.0]}},
    "confusion_matrix": {"counts": [[1, 0], [0, 1]]},
}


@pytest.mark.parametrize("kind", CONTENT)
def test_dollar_signs_in_a_title_are_no_formula(kind: str, tmp_path: Path) -> None:
    FIGURES[kind]({"title": "a$_$b", **CONTENT[kind]}, tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("counts", [[], [1, 2], [[1, 2]], [[1, -2], [0, 0]], [["a"]]])
def test_counts_that_are_no_confusion_matrix(counts: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        FIGURES["confusion_matrix"]({"title": "t", "counts": counts}, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("history", [{}, {"epoch_seconds": [1.0]}, {"loss": ["a"]}])
def test_a_history_without_curves(history: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        FIGURES["learning_curves"]({"title": "t", "history": history}, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(IsADirectoryError):
        FIGURES["confusion_matrix"](
            {"title": "t", **CONTENT["confusion_matrix"]}, tmp_path / "x.png"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
