"""A journal of a run without a store, in a folder of one's choice."""

from __future__ import annotations

from pathlib import Path

from shackdoo.tracking.journal import Header, JournalTracker, now_ms


def journal_of(folder: Path) -> JournalTracker:
    """Begin a run in ``folder``, which is made."""
    folder.mkdir(parents=True)
    header = Header(
        run_uid=folder.name,
        experiment="digits",
        run_name="some",
        tracking_uri="sqlite:////nowhere/mlflow.db",
        mlflow_run_id=None,
        user="somebody",
        source="shackdoo train",
        project_root=str(folder.parent),
        start_time=now_ms(),
        parent_uid=None,
        keep_days=None,
    )
    return JournalTracker(folder, header)
