"""What can be drawn of a run, and as what; what draws is loaded when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES: Mapping[str, str] = {
    "learning_curves": "learning_curves.png",
    "confusion_matrix": "confusion_matrix.png",
    "predictions": "predictions.png",
    "worst_mistakes": "worst_mistakes.png",
    "report": "report.html",
}


def draw(kind: str, content: dict[str, Any], file: Path) -> None:
    """Draw one of :data:`FILES` from its content; the file is whole or absent."""
    if kind == "report":
        from shackdoo.report.page import draw_page

        draw_page(content, file)
        return
    from shackdoo.report.plots import FIGURES

    FIGURES[kind](content, file)
