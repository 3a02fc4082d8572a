"""Real trainings that are killed: what was acknowledged arrives, and the run is closed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import LocalRun, local_runs

LONG = ("task=Mnist_B", "task.parameters.max_steps_per_epoch=10", "task.parameters.epochs=100000")
SECONDS = 120.0


def state() -> Path:
    return Path(os.environ["SHACKDOO_STATE"])


def metrics(run: LocalRun) -> set[tuple[str, int, float]]:
    entries = [entry for entry, _ in read_entries(run.folder / JOURNAL)]
    return {
        (name, entry["step"], value)
        for entry in entries
        if entry["kind"] == "metrics"
        for name, value in entry["values"].items()
    }


def killed_after(seconds: float, seen: set[str]) -> LocalRun:
    """Start a training and kill it so many seconds after its first metrics."""
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", "train", *LONG],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as training:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            new = [run for run in local_runs(state()) if run.uid not in seen]
            if new and metrics(new[0]):
                break
            time.sleep(0.1)
        time.sleep(seconds)
        training.kill()
    (run,) = (run for run in local_runs(state()) if run.uid not in seen)
    return run


@pytest.mark.slow
def test_trainings_killed_at_random_moments(
    own_project: Path, counted: Callable[[int, int], int]
) -> None:
    from mlflow import MlflowClient

    chance, seen = random.Random(7), set[str]()
    client = MlflowClient(f"sqlite:///{own_project}/mlflow.db")
    for _ in range(counted(10, 2)):
        run = killed_after(chance.uniform(0, 3), seen)
        seen.add(run.uid)
        shipping = wait_shipped(run.folder, SECONDS)
        assert shipping.done
        stored = client.get_run(shipping.mlflow_run_id)
        assert stored.info.status == "KILLED"
        acknowledged = metrics(run)
        names = {name for name, _, _ in acknowledged}
        points = [
            (name, point.step, point.value)
            for name in names
            for point in client.get_metric_history(stored.info.run_id, name)
        ]
        assert len(points) == len(set(points))
        assert set(points) == acknowledged
        assert {"loss", "val_accuracy", "epoch_seconds"} <= names


def test_the_training_process_imports_no_mlflow(own_project: Path) -> None:
    code = (
        "import sys\n"
        "from shackdoo.cli import main\n"
        "assert main(['train', 'task=Mnist_B', 'task.parameters.max_steps_per_epoch=5']) == 0\n"
        "print({'mlflow', 'sqlalchemy', 'matplotlib'} & set(sys.modules), 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set() True", done.stderr
