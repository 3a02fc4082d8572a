"""A project of the test's own, with a store and a state folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from program import Program


@pytest.fixture
def own_project(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """An empty project with an empty store: what it does not have comes from shackdoo itself.

    Shippers that still wait for a store that is away end with the test.
    """
    root = tmp_path / "project"
    (root / "conf" / "task").mkdir(parents=True)
    (root / "MLproject").write_text("name: own\n")
    shutil.copyfile(empty_store, root / "mlflow.db")
    monkeypatch.setenv("SHACKDOO_ROOT", str(root))
    monkeypatch.setenv("SHACKDOO_STATE", str(tmp_path / "state"))
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(variable, raising=False)
    yield root
    for lock in (tmp_path / "state" / "runs").glob("*/shipper.lock"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(lock.read_text()), signal.SIGKILL)


@pytest.fixture
def store_away(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracking store that does not answer: for tests of what runs leave on this machine.

    To carry a run takes as long as a short training.
    """
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


@pytest.fixture
def shackdoo(
    own_project: Path, program: Program, request: pytest.FixtureRequest
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as a user does, in a process of its own."""
    anew = "new_processes" in request.fixturenames

    def run(*arguments: str, **environment: Any) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, **environment}
        return program.run(*arguments, cwd=own_project.parent, environment=variables, anew=anew)

    return run
