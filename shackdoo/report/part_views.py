"""How the parts that a task has found are shown; the list of them is in training.findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from shackdoo.report.charts import histogram, scatter
from shackdoo.report.numbers import number, share

Words = Mapping[str, Any]
View = dict[str, Any]
LARGEST_TABLE = 24  # classes of a confusion matrix that is shown as a table
PAIRS = 8
NOT_ANY = "-"  # a share of nothing
DATA_KINDS = ("balance", "examples")
# Least share of its row that a cell has, for each of its shades but the lightest.
SHADES = (0.0, 0.01, 0.05, 0.2, 0.6)


def part_views(
    parts: Sequence[Mapping[str, Any]], words: Words, kinds: Collection[str] | None = None
) -> list[View]:
    """Return the parts as the page shows them.

    Args:
        parts: what the task's hook returned; a kind that is not known is left out.
        words: of the language.
        kinds: those wanted; None for all but those of the data.
    """
    return [
        {"kind": part["kind"], **VIEWS[part["kind"]](part, words)}
        for part in parts
        if part["kind"] in VIEWS
        and (part["kind"] in kinds if kinds is not None else part["kind"] not in DATA_KINDS)
    ]


def _confusion(part: Mapping[str, Any], words: Words) -> View:
    t, classes = words["confusion"], part["classes"]
    counts = np.asarray(part["counts"], dtype=np.int64).reshape(len(classes), len(classes))
    right, total = int(np.trace(counts)), int(counts.sum())
    lead = t["lead"].format(right=number(right), total=number(total), share=share(right, total))
    small = len(classes) <= LARGEST_TABLE
    return {
        "title": t["title"],
        "lead": lead,
        "classes": classes,
        "rows": _cells(counts, classes) if small else [],
        "too_many": None if small else t["too_many"].format(count=len(classes)),
        "pairs": _pairs(counts, classes, t),
        "per_class": _per_class(counts, classes) if small else [],
    }


def _cells(counts: np.ndarray[Any, Any], classes: Sequence[str]) -> list[View]:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        {
            "name": classes[row],
            "cells": [
                {
                    "count": int(counts[row, column]),
                    "shade": sum(shares[row, column] > least for least in SHADES),
                    "right": row == column,
                }
                for column in range(len(classes))
            ],
        }
        for row in range(len(classes))
    ]


def _pairs(counts: np.ndarray[Any, Any], classes: Sequence[str], t: Words) -> list[tuple[str, int]]:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    found = [divmod(int(place), len(classes)) for place in order]
    return [
        (t["pair"].format(true=classes[row], predicted=classes[column]), int(wrong[row, column]))
        for row, column in found
        if wrong[row, column]
    ]


def _per_class(counts: np.ndarray[Any, Any], classes: Sequence[str]) -> list[tuple[str, ...]]:
    right, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return [
        (
            classes[n],
            share(right[n], true[n]) if true[n] else NOT_ANY,
            share(right[n], predicted[n]) if predicted[n] else NOT_ANY,
            number(int(true[n])),
        )
        for n in range(len(classes))
    ]


def _mistakes(part: Mapping[str, Any], words: Words) -> View:
    t, total = words["mistakes"], number(part["total"])
    cards = [
        {
            "picture": one["picture"],
            "alt": t["picture"].format(
                position=one["position"],
                true=one["true"],
                predicted=one["predicted"],
                probability=number(one["probability"]),
            ),
            "lines": [
                (t["true"], one["true"]),
                (t["predicted"], one["predicted"]),
                (t["sure"], f"{one['probability']:.1%}"),
            ],
        }
        for one in part["examples"]
    ]
    lead = t["lead"].format(wrong=number(part["wrong"]), total=total, shown=len(cards))
    return {
        "title": t["title"],
        "lead": lead if cards else t["none"].format(total=total),
        "cards": cards,
    }


def _worst_errors(part: Mapping[str, Any], words: Words) -> View:
    t = words["worst_errors"]
    cards = [
        {
            "picture": one["picture"],
            "alt": t["picture"].format(
                position=one["position"],
                true=number(one["true"]),
                predicted=number(one["predicted"]),
            ),
            "lines": [(t[k], number(one[k])) for k in ("true", "predicted", "error")],
        }
        for one in part["examples"]
    ]
    return {"title": t["title"], "lead": t["lead"].format(shown=len(cards)), "cards": cards}


def _scatter(part: Mapping[str, Any], words: Words) -> View:
    t = words["scatter"]
    label = t["label"].format(count=len(part["true"]))
    svg = scatter(part["true"], part["predicted"], t["x"], label)
    return {"title": t["title"], "svg": svg}


def _errors(part: Mapping[str, Any], words: Words) -> View:
    t, edges, counts = words["errors"], part["edges"], part["counts"]
    label = t["label"].format(
        count=number(sum(counts)), low=number(edges[0]), high=number(edges[-1])
    )
    return {"title": t["title"], "svg": histogram(edges, counts, t["x"], label)}


def _balance(part: Mapping[str, Any], words: Words) -> View:
    t, splits = words["data"], part["splits"]
    most = max(max(counts) for counts in splits.values()) or 1
    rows = [
        {
            "name": name,
            "cells": [
                {"count": number(counts[place]), "width": round(100 * counts[place] / most, 1)}
                for counts in splits.values()
            ],
        }
        for place, name in enumerate(part["classes"])
    ]
    columns = [t["class"], *(t[split] for split in splits)]
    return {"title": t["balance"], "columns": columns, "rows": rows}


def _examples(part: Mapping[str, Any], words: Words) -> View:
    t = words["data"]
    rows = [
        {"name": row["class"], "alt": t["picture"].format(name=row["class"]), "pictures": pictures}
        for row in part["rows"]
        if (pictures := row["pictures"])
    ]
    return {"title": t["examples"], "rows": rows}


def _table(part: Mapping[str, Any], words: Words) -> View:
    rows = [[number(cell) for cell in row] for row in part["rows"]]
    return {"title": part["title"], "columns": part["columns"], "rows": rows}


def _text(part: Mapping[str, Any], words: Words) -> View:
    return {"title": part["title"], "text": part["text"]}


VIEWS: Mapping[str, Callable[[Mapping[str, Any], Words], View]] = {
    "confusion": _confusion,
    "mistakes": _mistakes,
    "scatter": _scatter,
    "errors": _errors,
    "worst_errors": _worst_errors,
    "balance": _balance,
    "examples": _examples,
    "table": _table,
    "text": _text,
}
