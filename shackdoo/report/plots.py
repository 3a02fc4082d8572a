"""Pictures of a run as PNG files. An adapter of matplotlib: import it where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shackdoo.metric_names import EPOCH_TIMINGS
from shackdoo.report.figure_file import save
from shackdoo.report.sheet import sheet

TRAIN, VALIDATION = "#1f5fa8", "#d1630e"  # told apart with any colour vision
NOT_CURVES = (*EPOCH_TIMINGS, "learning_rate")


def learning_curves(content: Mapping[str, Any], path: Path) -> None:
    """Draw each metric over the epochs, training and validation in one panel.

    Args:
        content: ``title`` and ``history``: metric name to one value an epoch.
        path: the PNG file.

    Raises:
        ValueError: if there is no metric to draw, or one's values are no numbers.
    """
    history: Mapping[str, Sequence[float]] = content["history"]
    names = [n for n in history if not n.startswith("val_") and n not in NOT_CURVES]
    figure = Figure(figsize=(4.6 * len(names), 3.6), layout="constrained")
    figure.suptitle(content["title"], parse_math=False)
    for panel, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        _curve(panel, name, history)
    save(figure, path)


def _curve(panel: Axes, name: str, history: Mapping[str, Sequence[float]]) -> None:
    for key, label, colour in ((name, "training", TRAIN), (f"val_{name}", "held out", VALIDATION)):
        if key in history:
            values = np.asarray(history[key], dtype=np.float64)
            epochs = range(1, len(values) + 1)
            panel.plot(epochs, values, marker="o", markersize=4, color=colour, label=label)
    panel.set_xlabel("epoch")
    panel.set_ylabel(name)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.set_xlim(0.5, len(history[name]) + 0.5)
    panel.grid(alpha=0.3)
    panel.legend()


def confusion_matrix(content: Mapping[str, Any], path: Path) -> None:
    """Draw counts of (true, predicted) classes, a row a true class.

    Colours are shares of the row, spread so that few mistakes among many are seen.

    Args:
        content: ``title`` and ``counts``: ``(classes, classes)`` integers; perhaps ``classes``,
            their names.
        path: the PNG file.

    Raises:
        ValueError: if the counts are not square, or one is negative.
    """
    counts = np.asarray(content["counts"], dtype=np.int64)
    if counts.ndim != 2 or len(counts) != counts.shape[1] or (counts < 0).any():
        raise ValueError(f"counts of shape {counts.shape} are no confusion matrix")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(counts)
    size = max(4.0, 0.55 * classes)
    figure = Figure(figsize=(size + 0.6, size + 0.9), layout="constrained")
    panel = figure.subplots()
    panel.imshow(shares, cmap="Blues", norm=PowerNorm(0.35, vmin=0.0, vmax=1.0))
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.2 else "black"
            text = str(counts[row, column])
            panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    right = np.trace(counts) / max(counts.sum(), 1)
    title = f"{content['title']}\n{right:.2%} of {counts.sum():,} right"
    panel.set_title(title, parse_math=False)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")
    names = [str(name) for name in content.get("classes", range(classes))]
    panel.set_xticks(range(classes), names, rotation=90 if max(map(len, names)) > 2 else 0)
    panel.set_yticks(range(classes), names)
    save(figure, path)


FIGURES: dict[str, Callable[[Mapping[str, Any], Path], None]] = {
    "learning_curves": learning_curves,
    "confusion_matrix": confusion_matrix,
    "predictions": sheet,
    "worst_mistakes": sheet,
}
