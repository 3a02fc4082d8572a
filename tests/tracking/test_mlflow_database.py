"""The SQLite file of a store: whole or absent, whoever is killed, however many want it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

MAKE = [sys.executable, "-m", "shackdoo.tracking.mlflow_database"]


def test_several_at_once_make_one(tmp_path: Path) -> None:
    file = tmp_path / "my 100% runs.db"
    makers = [subprocess.Popen([*MAKE, file], stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [maker.wait() for maker in makers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == [file]
    uri = f"sqlite:///{str(file).replace('%', '%25')}"
    assert [each.name for each in MlflowClient(uri).search_experiments()] == ["Default"]


def test_one_that_is_killed_leaves_nothing_that_is_in_the_way(
    tmp_path: Path, counted: Callable[[int, int], int]
) -> None:
    chance, file = random.Random(7), tmp_path / "mlflow.db"
    for _ in range(counted(20, 2)):
        maker = subprocess.Popen([*MAKE, file], stderr=subprocess.DEVNULL)
        while maker.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 1))
        maker.send_signal(signal.SIGKILL)
        maker.wait()
        if file.exists():
            assert MlflowClient(f"sqlite:///{file}").search_experiments()
            file.unlink()
    subprocess.run([*MAKE, file], check=True, stderr=subprocess.DEVNULL)
    assert list(tmp_path.iterdir()) == [file]
