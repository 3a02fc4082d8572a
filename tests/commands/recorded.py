"""Runs recorded without training, in the state folder that the environment names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from shackdoo.tracking.journal import Header, JournalTracker, now_ms
from shackdoo.tracking.state import make_run_folder, new_run_uid


def state() -> Path:
    return Path(os.environ["SHACKDOO_STATE"])


def record(project: Path, uri: str, points: int = 3, **changes: Any) -> tuple[Path, JournalTracker]:
    """Record a run without training."""
    uid = new_run_uid()
    fields = {
        "run_uid": uid,
        "experiment": "digits",
        "run_name": f"name-{uid[:8]}",
        "tracking_uri": uri,
        "mlflow_run_id": None,
        "user": "somebody",
        "source": "shackdoo train",
        "project_root": str(project),
        "start_time": now_ms(),
        "parent_uid": None,
        "keep_days": 30.0,
    }
    folder = make_run_folder(state(), uid)
    tracker = JournalTracker(folder, Header(**{**fields, **changes}))
    for step in range(points):
        tracker.metrics({"loss": 1 / (step + 1)}, step=step)
    return folder, tracker


def die(tracker: Any) -> None:
    """Do what the kernel does to a process that dies: its lock is gone, nothing is written."""
    journal = tracker._journal
    journal._closing.set()
    journal._unsynced.set()
    journal._syncer.join()  # while it syncs, the lock stays
    os.close(journal._file)
