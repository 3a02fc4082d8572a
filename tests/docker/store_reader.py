"""What a tracking store has, read without the program under test."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

READ = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
ids = [each.experiment_id for each in client.search_experiments()]
found = client.search_runs(ids, order_by=["attributes.start_time DESC"])
print(json.dumps([{
    "id": run.info.run_id,
    "status": run.info.status,
    "tags": run.data.tags,
    "params": run.data.params,
    "metrics": run.data.metrics,
    "artifacts": sorted(each.path for each in client.list_artifacts(run.info.run_id)),
    "experiment": client.get_experiment(run.info.experiment_id).name,
} for run in found]))
"""


def runs_of(uri: str, **environment: str) -> list[dict[str, Any]]:
    """Return the runs of a store, the newest first: by MLflow's client, or from SQLite's tables."""
    if uri.startswith("sqlite:"):
        return _runs_of_file(uri.removeprefix("sqlite:///"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, uri],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _runs_of_file(file: str) -> list[dict[str, Any]]:
    runs = "SELECT run_uuid, status, artifact_uri, experiments.name FROM runs JOIN experiments"
    runs += " ON runs.experiment_id = experiments.experiment_id ORDER BY start_time DESC"
    with contextlib.closing(sqlite3.connect(file)) as store:

        def table(name: str, run: str) -> dict[str, Any]:
            found = store.execute(f"SELECT key, value FROM {name} WHERE run_uuid = ?", (run,))
            return dict(found.fetchall())

        return [
            {
                "id": run,
                "status": status,
                "tags": table("tags", run),
                "params": table("params", run),
                "metrics": table("latest_metrics", run),
                "artifacts": _names(Path(unquote(urlsplit(files).path))),
                "experiment": experiment,
            }
            for run, status, files, experiment in store.execute(runs).fetchall()
        ]


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
