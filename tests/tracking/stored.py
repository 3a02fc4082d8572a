"""What a store holds, read back for comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from shackdoo.tracking.journal import JOURNAL, read_entries


def runs_of(uri: str, experiment: str) -> list[Any]:
    """Return all active runs of an experiment."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id])) if found else []


def only_run(uri: str, experiment: str) -> Any:
    """Return the one run of an experiment; there must be no more and no less."""
    (run,) = runs_of(uri, experiment)
    return run


def points(uri: str, run: Any, name: str) -> list[tuple[int, float, int]]:
    """Return (step, value, timestamp) of each point of a metric, sorted."""
    found = MlflowClient(uri).get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value, point.timestamp) for point in found)


def journaled(folder: Path, name: str) -> list[tuple[int, float, int]]:
    """Return the same of a journal."""
    return sorted(
        (entry["step"], entry["values"][name], entry["time"])
        for entry, _ in read_entries(folder / JOURNAL)
        if entry["kind"] == "metrics" and name in entry["values"]
    )


def check_whole(uri: str, experiment: str, folder: Path, acknowledged: Iterable[int]) -> Any:
    """Check that the store has every journaled point exactly once; return the run."""
    (run,) = (r for r in runs_of(uri, experiment) if r.data.tags["shackdoo.run_uid"] == folder.name)
    for name in ("loss", "accuracy"):
        stored = points(uri, run, name)
        assert stored == journaled(folder, name)
        steps = [step for step, _, _ in stored]
        assert len(steps) == len(set(steps))
        assert set(acknowledged) <= set(steps)
    return run
