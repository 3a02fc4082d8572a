"""Options, what all tests share, and which of them go on beside each other."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from program import Program

LONG = ("docker", "commands", "training")  # folders of tests that take long, longest first
WHOLE = ("browser", "docker", "serving")  # folders whose files share what takes long to make


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
    """Begin with what takes long, so that of several workers none is the last by far."""
    ranks = {folder: rank for rank, folder in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(LONG)))


def pytest_collection_finish() -> None:
    """Take what is imported by now out of garbage collection: Keras asks for that all the time."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each of several workers whole files, or folders: their tests share long fixtures.

    Docker's must not be beside each other either: some look at all that the engine has.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            return file.parent.name if file.parent.name in WHOLE else str(file)

    return ByFile(config, log)


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Choose between the full count of a test and its small one."""
    full = bool(request.config.getoption("--full"))
    return lambda whole, small: whole if full else small


@pytest.fixture(scope="session")
def program(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Program]:
    """Run the program: with ``--full`` only in new processes."""
    anew = bool(pytestconfig.getoption("--full"))
    started = Program(lambda: tmp_path_factory.mktemp("program"), anew)
    yield started
    started.end()


@pytest.fixture
def new_processes() -> None:
    """Let the program start as users start it, for what must hold between processes."""


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store with its tables; making them takes seconds, copying does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
