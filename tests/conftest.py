"""Options: how often a test repeats what depends on chance; pictures to be kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

LONG = ("docker", "commands", "training")  # folders of tests that take long


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--full`` and ``--screenshots``."""
    parser.addoption(
        "--full", action="store_true", help="crash and outage tests with their full counts"
    )
    parser.addoption(
        "--screenshots", metavar="FOLDER", help="the browser tests keep pictures for the README"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let all trainings share what XLA has compiled: it takes seconds of each."""
    assert config.cache is not None
    folder = config.cache.mkdir("xla")
    os.environ.setdefault(
        "TF_XLA_FLAGS",
        f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_read_only=false",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each of several workers whole files, the long ones first; one has all of Docker.

    Tests of a file share fixtures that take long, and those of Docker images and an engine.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONG)
    for item in items:
        docker = item.get_closest_marker("docker") is not None
        item.add_marker(pytest.mark.xdist_group("docker" if docker else item.path.stem))


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Choose between the full count of a test and its small one."""
    full = bool(request.config.getoption("--full"))
    return lambda whole, small: whole if full else small


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with its tables; making them takes seconds, copying does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
