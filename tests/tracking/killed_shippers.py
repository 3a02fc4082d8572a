"""Forks shippers from a process that has MLflow imported, and kills each at a random moment.

``killed_shippers.py STATE KILLS SEED``: each shipper carries all runs of the state folder. When
one has carried everything before it was killed, how far they are is forgotten, and all is sent
again. Prints how many were killed at work.
"""

from __future__ import annotations

import importlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import read_shipping, shipping_file
from shackdoo.tracking.state import local_runs

LONGEST_LIFE = 2.0  # seconds


def main(state: Path, kills: int, seed: int) -> None:
    """Kill as often as asked."""
    importlib.import_module("shackdoo.tracking.mlflow_store")  # a fork has it for nothing
    chance, killed = random.Random(seed), 0
    while killed < kills:
        child = os.fork()
        if child == 0:
            _ship_all(state)
            os._exit(0)
        time.sleep(chance.uniform(0, LONGEST_LIFE))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        runs = local_runs(state)
        if all(read_shipping(run.folder).done for run in runs):
            for run in runs:
                (run.folder / shipping_file()).unlink()
    print(killed)


def _ship_all(state: Path) -> None:
    workshop = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]
    for run in local_runs(state):
        ship(run.folder, workshop)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
