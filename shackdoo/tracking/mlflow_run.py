"""Runs of an MLflow store that no journal here tells of: their metrics, and their end.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shackdoo.tracking.mlflow_client import MlflowClient, told
from shackdoo.tracking.store import shown

LARGEST = 1.7976931348623157e308  # what a database has for an infinity


class Point(NamedTuple):
    """A value of a metric.

    Attributes:
        name: of the metric.
        step: of the optimizer, or epoch.
        timestamp: milliseconds since 1970.
        value: as it was measured: an infinity is one again.
    """

    name: str
    step: int
    timestamp: int
    value: float


def metric_points(uri: str, run_id: str, names: Iterable[str] | None = None) -> list[Point]:
    """Return what a run has of metrics, sorted.

    Args:
        uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.
        run_id: MLflow's.
        names: of the metrics; None for all.

    Raises:
        StoreError: if the store doesn't answer, or doesn't have the run.
    """
    with told(f"The store {shown(uri)} does not give the metrics", uri):
        client = MlflowClient(uri)
        wanted = client.get_run(run_id).data.metrics if names is None else names
        found = [each for name in wanted for each in client.get_metric_history(run_id, name)]
    return sorted(Point(each.key, each.step, each.timestamp, _number(each.value)) for each in found)


def metric_curves(
    uri: str, run_id: str, names: Iterable[str] | None = None
) -> dict[str, dict[int, float]]:
    """Return each metric of a run at each of its steps; the arguments of :func:`metric_points`.

    Raises:
        StoreError: if the store doesn't answer, or doesn't have the run.
    """
    curves: dict[str, dict[int, float]] = {}
    for point in metric_points(uri, run_id, names):
        curves.setdefault(point.name, {})[point.step] = point.value
    return curves


def _number(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else float(value)


def close_run(uri: str, run_id: str, status: str, tags: Mapping[str, str]) -> None:
    """End a run.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    with told(f"The store {shown(uri)} does not close the run", uri):
        client = MlflowClient(uri)
        for name, value in tags.items():
            client.set_tag(run_id, name, value)
        client.set_terminated(run_id, status=status)
