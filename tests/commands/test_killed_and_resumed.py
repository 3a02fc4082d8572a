"""Trainings of the shipped tasks, killed at random moments: all end in the same bits.

The parent imports TensorFlow once, before its first operation; each training is a fork of it that
does all that `shackdoo train` and `shackdoo resume` do.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

CODE = Path(__file__).with_name("killed_forks.py")
TASKS = {
    "Mnist_B": ("task=Mnist_B",),
    "Mnist_A with dropout": ("task=Mnist_A", "task.parameters.dropout=0.3"),
}


def run(own_project: Path, kills: int, full: bool, *request: str) -> dict[str, list[str]]:
    """Kill so many trainings in forks; return what killed_forks.py prints."""
    short = () if full else ("task.parameters.max_steps_per_epoch=150",)
    arguments = [sys.executable, str(CODE), str(kills), *request, *short]
    done = subprocess.run(
        [*arguments, "task.parameters.epochs=2", "checkpoint.seconds=0.05", "report.page=false"],
        capture_output=True,
        text=True,
        cwd=own_project,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("store_away")
@pytest.mark.parametrize("task", TASKS)
def test_forks_killed_at_random_moments(
    own_project: Path, counted: Callable[[int, int], int], task: str
) -> None:
    kills = counted(100, 3)
    found = run(own_project, kills, counted(1, 0) == 1, *TASKS[task])
    assert len(found["resumed"]) == kills
    assert set(found["resumed"]) == set(found["whole"]), found["moments"]


@pytest.mark.slow
@pytest.mark.usefixtures("store_away")
@pytest.mark.parametrize("task", TASKS)
def test_whole_processes_killed_at_random_moments(
    own_project: Path,
    shackdoo: Callable[..., subprocess.CompletedProcess[str]],
    counted: Callable[[int, int], int],
    task: str,
) -> None:
    request = (*TASKS[task], "checkpoint.seconds=0.05", "report.page=false", *_short(counted))
    began = time.monotonic()
    whole = shackdoo("train", *request)
    seconds = time.monotonic() - began
    assert whole.returncode == 0, whole.stderr
    chance = random.Random(3)
    for _ in range(counted(10, 1)):
        killed_after(chance.uniform(0.2, 1.0) * seconds, request)
        done = shackdoo("train", *request, "resume=auto")
        assert done.returncode == 0, done.stderr
        assert weights(done.stdout) == weights(whole.stdout)


def _short(counted: Callable[[int, int], int]) -> tuple[str, ...]:
    return () if counted(1, 0) else ("task.parameters.max_steps_per_epoch=150",)


def killed_after(seconds: float, request: Sequence[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", "train", *request],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    ) as training:
        time.sleep(seconds)
        training.send_signal(signal.SIGKILL)


def weights(output: str) -> str:
    (line,) = (line for line in output.splitlines() if line.startswith("weights sha256"))
    return line
