"""A comparison of two runs as one object of JSON; docs/diff.md tells its keys."""

from __future__ import annotations

import math
from typing import Any

from shackdoo.commands.diff_text import counted_in
from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.commands.run_comparison import Comparison
from shackdoo.metric_names import same_number
from shackdoo.provenance.ranking import rank

MOST = 1 << 20  # characters of a difference of code


def as_object(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison, ready for JSON; numbers that JSON lacks are texts, as ``nan``."""
    first, second = comparison.runs
    return {
        "first": _run(first),
        "second": _run(second),
        "differs": comparison.differs,
        "whole": not comparison.unknown,
        "differences": [
            {
                "ingredient": each.ingredient,
                "name": each.name,
                "first": each.recorded,
                "second": each.now,
                "rank": rank(each).name.lower(),
            }
            for each in comparison.differences
        ],
        "unknown": list(comparison.unknown),
        "notes": list(comparison.notes),
        "code": _code(comparison),
        "effect": _effect(comparison),
    }


def _run(run: RecordedRun) -> dict[str, Any]:
    code = run.manifest.get("code") or {}
    return {
        "run_uid": run.run.run_uid,
        "mlflow_run_id": run.run.mlflow_run_id,
        "run_name": run.run.run_name,
        "task": run.run.task,
        "status": run.run.status,
        "start_time": run.run.start_time,
        "commit": code.get("commit"),
        "dirty": code.get("dirty"),
    }


def _code(comparison: Comparison) -> dict[str, Any]:
    code = comparison.code
    return {
        "files": None if code.files is None else list(code.files),
        "diff": code.text[:MOST],
        "cut": len(code.text) > MOST,
        "notes": list(code.notes),
    }


def _effect(comparison: Comparison) -> dict[str, Any]:
    effect, parting = comparison.effect, comparison.effect.parting
    return {
        "compared": comparison.has_results,
        "differs": comparison.results_differ,
        "same_weights": effect.same_weights,
        "same_predictions": effect.same_predictions,
        "differing_arrays": list(effect.arrays),
        "metrics": {
            name: {
                "first": _number(one),
                "second": _number(other),
                "equal": same_number(one, other),
            }
            for name, (one, other) in effect.metrics.items()
        },
        "points_compared": effect.compared,
        "parting": parting
        and {
            "metric": parting.name,
            "unit": counted_in(parting.name),
            "at": parting.step,
            "first": _number(parting.first),
            "second": _number(parting.second),
        },
    }


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)
