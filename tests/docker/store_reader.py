"""What a tracking store has, read with MLflow's own client in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

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
    """Return the runs of a store, the newest first."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, uri],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
