"""Options of tracking, from the command line to the store."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trainings import signalled

from shackdoo.tracking.continued import read_recorded
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]
SHORT = ("task=Mnist_B", "task.parameters.max_steps_per_epoch=20", "task.parameters.epochs=2")

BOARD = """
from pathlib import Path

from shackdoo.tracking.memory import MemoryTracker


class Board(MemoryTracker):
    def __init__(self, run):
        super().__init__()
        self.run = run

    def end(self, status):
        super().end(status)
        losses = [v for n, v, _ in self.recorded_metrics if n == "loss"]
        Path("board.txt").write_text(f"{self.run.task} {self.run.run_uid} {status} {len(losses)}")
"""


@pytest.fixture
def board(own_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that provides a tracker."""
    site = tmp_path / "site"
    info = site / "board-1.dist-info"
    info.mkdir(parents=True)
    (site / "board.py").write_text(BOARD)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: board\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[shackdoo.trackers]\nmy-board = board:Board\n")
    monkeypatch.setenv("PYTHONPATH", str(site))


def stored(project: Path) -> tuple[Any, Any]:
    from mlflow import MlflowClient

    (run,) = local_runs(Path(os.environ["SHACKDOO_STATE"]))
    shipping = wait_shipped(run.folder, 120)
    assert shipping.done
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    return client, client.get_run(shipping.mlflow_run_id)


def test_each_step_and_the_machine_are_recorded_and_the_weights_are_the_same(
    shackdoo: Run, own_project: Path, board: None
) -> None:
    plain = shackdoo("train", *SHORT, "tracking=off")
    done = shackdoo(
        "train",
        *SHORT,
        "tracking.every_steps=1",
        "tracking.system_metrics=0.1",
        "tracking.also=[my-board]",
    )
    assert done.returncode == 0, done.stderr
    weights = [line for line in plain.stdout.splitlines() if line.startswith("weights")]
    assert weights[0] in done.stdout
    client, run = stored(own_project)
    points = client.get_metric_history(run.info.run_id, "batch_loss")
    assert [point.step for point in points] == list(range(1, 41))
    last = {p.step: p.value for p in points}
    per_epoch = {p.step: p.value for p in client.get_metric_history(run.info.run_id, "loss")}
    assert (last[20], last[40]) == (per_epoch[1], per_epoch[2])
    assert {"batch_accuracy", "system/cpu_utilization_percentage"} <= set(run.data.metrics)
    told = (own_project.parent / "board.txt").read_text()
    assert told == f"Mnist_B {run.data.tags['shackdoo.run_uid']} FINISHED 2"


def test_an_unknown_tracker_starts_nothing(shackdoo: Run, board: None) -> None:
    done = shackdoo("train", *SHORT, "tracking.also=[my-bord]")
    assert done.returncode == 2
    assert "No tracker 'my-bord' for tracking.also. Did you mean 'my-board'?" in done.stderr
    assert "Installed: my-board." in done.stderr
    assert local_runs(Path(os.environ["SHACKDOO_STATE"])) == []


def test_a_resumed_run_hands_over_only_what_is_new_and_tells_what_differs(
    shackdoo: Run, own_project: Path, board: None
) -> None:
    run, _ = signalled(
        signal.SIGKILL,
        *SHORT,
        "checkpoint.seconds=null",  # so that all is computed once more
        "tracking.also=[my-board]",
        when=lambda run: b'"loss"' in run.journal.read_bytes(),
    )
    assert wait_shipped(run.folder, 120).error is None
    recorded = read_recorded(run.journal)
    was = recorded.metrics["loss", 1]
    text = run.journal.read_text()
    run.journal.write_text(text.replace(f'"loss":{was!r}', '"loss":7.5', 1))
    done = shackdoo("resume", run.uid)
    assert done.returncode == 0, done.stderr
    told = (
        f"1 metrics came out otherwise than before the run was resumed, first loss at 1: 7.5 "
        f"then, {was!r} now"
    )
    assert f"warning: {told}" in done.stderr
    _, run_stored = stored(own_project)
    assert run_stored.data.tags["shackdoo.resume_differs"] == told
    missing = 2 - len(recorded.history()["loss"])
    on_board = (own_project.parent / "board.txt").read_text()
    assert on_board == f"Mnist_B {run.uid} FINISHED {missing}"
