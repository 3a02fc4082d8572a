"""A real MLflow store for the tests of tracking."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.tracking.journal import Header, JournalTracker, now_ms
from shackdoo.tracking.state import make_run_folder, new_run_uid


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with its tables; making them takes seconds, copying does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store_uri(empty_store: Path, tmp_path: Path) -> str:
    """An empty SQLite store of the test's own."""
    return f"sqlite:///{shutil.copyfile(empty_store, tmp_path / 'mlflow.db')}"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder of the test's own."""
    return tmp_path / "state"


@pytest.fixture
def header(tmp_path: Path) -> Callable[..., Header]:
    """Make the header of a run, its fields changed as asked for."""

    def make(**changes: Any) -> Header:
        fields = {
            "run_uid": new_run_uid(),
            "experiment": "digits",
            "run_name": "Mnist_B-test",
            "tracking_uri": "sqlite:////nowhere/mlflow.db",
            "mlflow_run_id": None,
            "user": "somebody",
            "source": "shackdoo train",
            "project_root": str(tmp_path),
            "start_time": now_ms() - 5000,
            "parent_uid": None,
            "keep_days": 30.0,
        }
        return Header(**{**fields, **changes})

    return make


@pytest.fixture
def open_run(
    state: Path, header: Callable[..., Header]
) -> Callable[..., tuple[Path, JournalTracker]]:
    """Open the journal of a new run."""

    def make(**changes: Any) -> tuple[Path, JournalTracker]:
        made = header(**changes)
        folder = make_run_folder(state, made.run_uid)
        return folder, JournalTracker(folder, made)

    return make
