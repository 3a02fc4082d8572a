"""Users of the machine with a clone of the tree, and what they do with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "shackdoo-test"
BIN = Path(sys.executable).parent
USER = 12345  # of whom no image knows
SECONDS = 300.0  # that a command may take
SOCKET = Path("/var/run/docker.sock")
GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "safe.directory=*"]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run([*GIT, "-C", folder, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def append(path: Path, text: str) -> None:
    """Write a text at the end of a file."""
    path.write_text(path.read_text() + text)


def build(folder: Path, image: str = IMAGE, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "docker/build.sh"],
        cwd=folder,
        env={**os.environ, "IMAGE": image, "GPU": "0", **environment},
        capture_output=True,
        text=True,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@dataclass
class Person:
    """A user of the machine who is not root, if the tests are root's, with a clone of the tree.

    Attributes:
        home: the home; all in it belongs to the person.
        clone: of the tree.
        environment: of the person's shell.
    """

    home: Path
    clone: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str | Path) -> list[str | Path]:
        """Return a command that runs as this person."""
        if os.geteuid():
            return list(arguments)
        # The right to read is kept: Python itself may lie in root's home.
        reading = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        groups = ["--groups", str(SOCKET.stat().st_gid)]
        user = ["--reuid", str(USER), "--regid", str(USER)]
        return ["setpriv", *user, *groups, *reading, "--", *arguments]

    def start(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a command in the clone; what it says on both channels comes together.

        It has an end, so that no test waits for ever for a line that does not come.
        """
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=cwd or self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        limit = threading.Timer(SECONDS, _kill, (process,))
        limit.daemon = True
        limit.start()
        return process

    def run(self, *arguments: str | Path, cwd: Path | None = None) -> tuple[int, str]:
        """Run a command; return its exit code and what it said."""
        process = self.start(*arguments, cwd=cwd)
        said, _ = process.communicate(timeout=SECONDS)
        return process.returncode, said

    def git(self, *arguments: str) -> str:
        """Return what git says in the clone."""
        code, said = self.run("git", "-c", "user.name=A", "-c", "user.email=a@b.org", *arguments)
        assert code == 0, said
        return said.strip()

    def mlflow_run(
        self, *arguments: str, project: str | Path = ".", cwd: Path | None = None, overrides: str
    ) -> tuple[int, str]:
        """Train by ``mlflow run``."""
        values = ["-P", "task=Mnist_B", "-P", f"overrides={overrides}"]
        command = [BIN / "mlflow", "run", project, "-e", "train", *values, *arguments]
        return self.run(*command, cwd=cwd)

    def train_outside(self, *overrides: str) -> tuple[int, str]:
        """Train without a container; when it has ended, its store has all of it."""
        command = ["python", "-m", "shackdoo.cli", "train", "task=Mnist_B", *overrides]
        return self.run(*command, "tracking.wait=120")

    def not_owned(self) -> list[Path]:
        """Return what in the home belongs to somebody else."""
        mine = self.home.stat().st_uid
        return [path for path in self.home.rglob("*") if path.lstat().st_uid != mine]
