"""Real servers for the tests: MLflow's, and Debian's PostgreSQL behind it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

UP_SECONDS = 120.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class MlflowServer:
    """An MLflow server that can be killed and comes back at the same address."""

    def __init__(self, store: str, artifacts: Path, port: int | None = None) -> None:
        self.store = store
        self.artifacts = artifacts
        self.port = port or free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, **environment: str) -> MlflowServer:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.store]
        command += ["--artifacts-destination", str(self.artifacts), "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--workers", "1", *options],
            env={
                **os.environ,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "PYTHONWARNINGS": "ignore",
                **environment,
            },
            cwd=self.artifacts.parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + UP_SECONDS
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return self
            except OSError:
                assert self._process.poll() is None, "the MLflow server ended by itself"
                time.sleep(0.1)
        raise AssertionError("the MLflow server did not come up")

    def kill(self) -> None:
        """Kill it and its workers as ``kill -9`` does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class Postgres:
    """A PostgreSQL server of the test's own, run by a user that is not root."""

    def __init__(self) -> None:
        program_path("initdb")  # or skip, before anything is made
        self.port = free_port()
        self.uri = f"postgresql+psycopg2://shackdoo@127.0.0.1:{self.port}/postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="shackdoo-postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(self.data), "-A", "trust", "-U", "shackdoo")
        self._control("start")

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.folder / "data"

    def restart_immediately(self) -> None:
        """Break every connection and recover as after a crash."""
        self._control("restart", "-m", "immediate")

    def stop(self) -> None:
        """Stop it and remove its data."""
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self.folder)

    def _control(self, *action: str) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        log = str(self.folder / "log")
        wait = ("-w", "-t", "300")  # what was broken off is made good first
        self._run("pg_ctl", *action, *wait, "-D", str(self.data), "-o", options, "-l", log)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [program_path(program), *arguments],
            check=True,
            user=self._user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )


def program_path(name: str) -> str:
    """Return where a program of PostgreSQL is; Debian keeps them off the path.

    Skips the test if there is none.
    """
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return found
