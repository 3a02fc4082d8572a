"""What a report is made of: plain data, as ``report.json`` holds it.

==============  =============================================================================
``run``         ``uid``, ``name``, ``kind`` (empty: a training), ``experiment``, ``tag``,
                ``tags`` (the user's own), ``task``, ``doc``, ``lineage`` (names, nearest
                first), ``hooks`` (what the class itself defines, null if that is not known),
                ``status``, ``error``, ``started`` and ``ended`` (milliseconds; null while it
                has not)
``language``    ``en`` or ``ja``
``best``        ``metric`` and ``mode`` that rank the runs of the task
``history``     metric to one value an epoch; what JSON has no number for is a text
``within``      of a training of one epoch: ``steps``, and metric to its mean up to each of
                them; may be missing
``metrics``     the last value of each
``parts``       what the task's ``report_parts`` returned
``parent``      how it differs from its parent task, or null
``manifest``    the run's manifest, or an empty object
==============  =============================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from shackdoo.metric_names import EPOCH_TIMINGS, STEPS, SYSTEM, TEST, VALIDATION
from shackdoo.report.texts import LANGUAGES

Content = dict[str, Any]
VERSION = 1
PARTS = {"run", "language", "best", "history", "metrics", "parts", "parent", "manifest"}
NOT_RESULTS = (*EPOCH_TIMINGS, "learning_rate")
LESS_IS_BETTER = ("loss", "error", "mae", "mse", "rmse", "mape")


def json_ready(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers, or lists of them, with texts for those that JSON has not."""
    return {
        name: [_ready(each) for each in value] if isinstance(value, list) else _ready(value)
        for name, value in values.items()
    }


def _ready(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def read_content(text: str) -> Content | None:
    """Return the content that a text holds, None if it is none, or one of another version."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("schema_version") != VERSION:
        return None
    return found if found.keys() >= PARTS and found["language"] in LANGUAGES else None


def base_name(metric: str) -> str:
    """Return a metric's name without the split it was measured on."""
    return metric.removeprefix(VALIDATION).removeprefix(TEST)


def is_result(metric: str) -> bool:
    """Return whether a metric says how good a model is, and not how fast it was trained."""
    return metric not in NOT_RESULTS and not metric.startswith((STEPS, SYSTEM))


def smaller_is_better(metric: str, best: Mapping[str, str]) -> bool:
    """Return which values of a metric are better, by its name or by what ranks the runs."""
    if best and base_name(metric) == base_name(best["metric"]):
        return best["mode"] == "min"
    return base_name(metric).lower().endswith(LESS_IS_BETTER)


def main_metrics(content: Content) -> list[str]:
    """Return the metrics that are told first, the one that ranks the runs before the others."""
    metrics = [name for name in content["metrics"] if is_result(name)]
    first = content["best"].get("metric", "")

    def rank(name: str) -> tuple[bool, bool, bool, bool]:
        unseen = name.startswith((TEST, VALIDATION))
        other = base_name(name) != base_name(first)
        return name != first, not unseen, other, not name.startswith(TEST)

    return sorted(metrics, key=rank)
