"""A real MLflow store for the tests of tracking."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import MlflowServer, Postgres

from shackdoo.tracking.journal import Header, JournalTracker, now_ms
from shackdoo.tracking.state import make_run_folder, new_run_uid


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server_on_sqlite(
    empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """An MLflow server on SQLite."""
    folder = tmp_path_factory.mktemp("server")
    store = shutil.copyfile(empty_store, folder / "mlflow.db")
    server = MlflowServer(f"sqlite:///{store}", folder / "artifacts").start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def server_on_postgres(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """An MLflow server on PostgreSQL."""
    server = MlflowServer(postgres.uri, tmp_path_factory.mktemp("server") / "artifacts").start()
    yield server
    server.kill()


@pytest.fixture(
    params=[
        "sqlite",
        "server on sqlite",
        pytest.param("server on postgres", marks=pytest.mark.postgres),
    ]
)
def every_store(request: pytest.FixtureRequest) -> str:
    """The address of a store: a file, and servers on both databases."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("store_uri"))
    return str(request.getfixturevalue(request.param.replace(" ", "_")).uri)


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    """An experiment of the test's own: servers are shared."""
    return f"{request.node.name}-{new_run_uid()[:8]}"
