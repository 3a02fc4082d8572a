"""What a run's report shows of its data and of its answers on the test split.

Parts are JSON-ready dictionaries with a ``kind``; the report knows how each is shown:

==================  ================================================================
``balance``         ``classes``, ``splits``: name of a split to one count a class
``examples``        ``rows``: ``class`` and ``pictures`` (PNG as base64) of a few examples
``confusion``       ``classes``, ``counts``: a row a true class, a column a predicted one
``mistakes``        ``wrong`` of ``total``, ``examples``: the most confident wrong answers
``scatter``         ``true``, ``predicted``: numbers of some examples
``errors``          ``edges``, ``counts``: a histogram of predicted - true
``worst_errors``    ``examples``: where the prediction is farthest off
``table``           ``title``, ``columns``, ``rows``: whatever else a task wants to show
``text``            ``title``, ``text``: likewise
==================  ================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from shackdoo.training.answers import ClassNames
from shackdoo.training.dataset import Dataset, Split, map_arrays
from shackdoo.training.picture import as_text

Part = dict[str, Any]
Array = np.ndarray[Any, Any]
Look = Callable[[Any], Array | None]  # an input to its picture

WORST = 24  # examples that were answered worst
EXAMPLES = 36  # pictures of examples, spread over the classes
MOST_PER_CLASS = 3
POINTS = 400  # of a scatter plot
BINS = 31  # of a histogram


def class_indices(targets: Any) -> Array | None:
    """Return the class of each example, or None if the targets are no classes.

    Args:
        targets: integers ``(examples,)`` or ``(examples, 1)``, or one-hot rows.
    """
    if not isinstance(targets, np.ndarray) or targets.ndim not in (1, 2):
        return None
    if targets.ndim == 2 and targets.shape[1] > 1:
        one_hot = bool(((targets == 0) | (targets == 1)).all() and (targets.sum(axis=1) == 1).all())
        return targets.argmax(axis=1) if one_hot else None
    flat = targets.reshape(-1)
    if flat.size == 0 or (flat.dtype.kind == "f" and not (flat == np.round(flat)).all()):
        return None
    classes = flat.astype(np.int64) if flat.dtype.kind in "buif" else None
    return classes if classes is not None and classes.min() >= 0 else None


def class_count(dataset: Dataset, predictions: Any) -> int:
    """Return how many classes there are: as many as the model has outputs, two of one output.

    Args:
        dataset: its training split counts where there are no predictions.
        predictions: on the test split, or None.
    """
    if isinstance(predictions, np.ndarray) and predictions.ndim == 2:
        return max(2, int(predictions.shape[1]))
    classes = class_indices(dataset.train.targets)
    return 0 if classes is None else int(classes.max()) + 1


def data_parts(dataset: Dataset, names: ClassNames, look: Look) -> list[Part]:
    """Return how often each class is in each split, and how examples of it look."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    classes = {n: class_indices(split.targets) for n, split in splits.items() if split is not None}
    known = {n: found for n, found in classes.items() if found is not None}
    if "train" not in known or max(int(found.max()) for found in known.values()) >= len(names):
        return []
    counts = {n: np.bincount(found, minlength=len(names)).tolist() for n, found in known.items()}
    parts = [{"kind": "balance", "classes": _texts(names), "splits": counts}]
    rows = _example_rows(dataset.train, known["train"], names, look)
    return [*parts, {"kind": "examples", "rows": rows}] if rows else parts


def _example_rows(split: Split, classes: Array, names: ClassNames, look: Look) -> list[Part]:
    shown = min(len(names), EXAMPLES)
    per_class = min(MOST_PER_CLASS, EXAMPLES // shown)
    rows = []
    for index in range(shown):
        places = np.flatnonzero(classes == index)[:per_class]
        found = [picture for place in places if (picture := _picture(split, place, look))]
        if found:
            rows.append({"class": str(names[index]), "pictures": found})
    return rows


def classification_parts(
    split: Split, probabilities: Array, names: ClassNames, counts: Array | None, look: Look
) -> list[Part]:
    """Return which classes are taken for which, and the most confident mistakes.

    Args:
        split: the test split.
        probabilities: ``(examples, classes)``.
        names: of the classes.
        counts: of (true, predicted) classes; None to leave them out.
        look: how an input looks.
    """
    parts: list[Part] = []
    if counts is not None:
        parts.append({"kind": "confusion", "classes": _texts(names), "counts": counts.tolist()})
    true = class_indices(split.targets)
    if true is None or len(true) != len(probabilities) or true.max() >= probabilities.shape[1]:
        return parts
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != true)
    sure = probabilities[wrong, predicted[wrong]]
    worst = wrong[np.argsort(-sure, kind="stable")[:WORST]]
    examples = [
        {
            "position": int(place),
            "true": str(names[true[place]]),
            "predicted": str(names[predicted[place]]),
            "probability": round(float(probabilities[place, predicted[place]]), 4),
            "probability_of_true": round(float(probabilities[place, true[place]]), 4),
            "picture": _picture(split, place, look),
        }
        for place in worst
    ]
    mistakes = {"kind": "mistakes", "wrong": len(wrong), "total": len(true), "examples": examples}
    return [*parts, mistakes]


def regression_parts(split: Split, predictions: Any, look: Look) -> list[Part]:
    """Return predicted against true numbers, their errors, and the worst; nothing if not so."""
    true = _one_number_each(split.targets)
    predicted = _one_number_each(predictions)
    if true is None or predicted is None or len(true) != len(predicted):
        return []
    fine = np.isfinite(true) & np.isfinite(predicted)
    if not fine.any():
        return []
    errors = np.where(fine, predicted - true, 0.0)
    some = np.flatnonzero(fine)[:: -(-int(fine.sum()) // POINTS)]
    counts, edges = np.histogram(errors[fine], bins=BINS)
    worst = np.argsort(-np.abs(errors), kind="stable")[:WORST]
    examples = [
        {
            "position": int(place),
            "true": _short(true[place]),
            "predicted": _short(predicted[place]),
            "error": _short(errors[place]),
            "picture": _picture(split, place, look),
        }
        for place in worst
    ]
    points = {
        name: [_short(v) for v in values[some]]
        for name, values in (("true", true), ("predicted", predicted))
    }
    return [
        {"kind": "scatter", **points},
        {"kind": "errors", "edges": [_short(e) for e in edges], "counts": counts.tolist()},
        {"kind": "worst_errors", "examples": examples},
    ]


def _one_number_each(numbers: Any) -> Array | None:
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "iuf":
        return None
    alone = len(numbers) > 0 and numbers.size == len(numbers)
    return numbers.reshape(-1).astype(np.float64) if alone else None


def _picture(split: Split, place: Any, look: Look) -> str | None:
    return as_text(look(map_arrays(lambda leaf: leaf[place], split.inputs)))


def _texts(names: ClassNames) -> list[str]:
    return [str(name) for name in names]


def _short(number: Any) -> float:
    return float(f"{float(number):.6g}")
