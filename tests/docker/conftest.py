"""Shared tracking servers of the tests' own; each is removed with all that it has made."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_server import SharedServer


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip the test if no Docker engine answers."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True).returncode
    ):
        pytest.skip("no Docker engine answers (Debian: apt-get install docker.io)")


@pytest.fixture(scope="module")
def server(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    """A server that is up, started by docker alone."""
    server = SharedServer(tmp_path_factory.mktemp("server"))
    try:
        yield server.up()
    finally:
        server.remove()


@pytest.fixture
def second(engine: None, tmp_path: Path) -> Iterator[SharedServer]:
    """Another server, which the test starts."""
    server = SharedServer(tmp_path)
    try:
        yield server
    finally:
        server.remove()
