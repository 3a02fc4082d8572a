"""Real trainings that are killed: what was acknowledged arrives, and the run is closed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from trainings import SECONDS, signalled

from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import LocalRun

LONG = ("task=Mnist_B", "task.parameters.max_steps_per_epoch=10", "task.parameters.epochs=100000")


def metrics(run: LocalRun) -> set[tuple[str, int, float]]:
    entries = [entry for entry, _ in read_entries(run.folder / JOURNAL)]
    return {
        (name, entry["step"], value)
        for entry in entries
        if entry["kind"] == "metrics"
        for name, value in entry["values"].items()
    }


@pytest.mark.slow
def test_trainings_killed_at_random_moments(
    own_project: Path, counted: Callable[[int, int], int]
) -> None:
    from mlflow import MlflowClient

    chance = random.Random(7)
    client = MlflowClient(f"sqlite:///{own_project}/mlflow.db")
    for _ in range(counted(10, 2)):
        later = chance.uniform(0, 3)
        run, _ = signalled(signal.SIGKILL, *LONG, when=lambda run: bool(metrics(run)), after=later)
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
