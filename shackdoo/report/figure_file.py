"""A drawn figure as a PNG file, whole or absent."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

DPI = 120


def save(figure: Figure, path: Path) -> None:
    """Write the PNG; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(part, format="png", dpi=DPI)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
