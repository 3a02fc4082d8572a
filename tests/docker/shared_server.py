"""A shared tracking server of the test's own: other names, another port, other passwords."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("SERVER_", "BACKUP", "MLFLOW_", "BASE_IMAGE", "MAKE", "ARGS", "MFLAGS")


class SharedServer:
    """What ``docker/server.sh`` starts, by compose or by docker alone."""

    def __init__(self, folder: Path, compose: str = "none") -> None:
        self.folder = folder
        self.project = f"shackdoo-test-{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self.compose = compose
        self.names = ""
        self.config = folder / "config"

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``docker/server.sh COMMAND…`` and return what came of it."""
        return subprocess.run(
            ["sh", str(ROOT / "docker" / "server.sh"), *command],
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=900,
        )

    def environment(self, **variables: str) -> dict[str, str]:
        """Return this process' environment with the server's settings instead of a user's."""
        kept = {name: v for name, v in os.environ.items() if not name.startswith(SETTINGS)}
        base = {name: v for name, v in os.environ.items() if name == "BASE_IMAGE"}
        own = {
            "SERVER_PROJECT": self.project,
            "SERVER_PORT": str(self.port),
            "SERVER_CONFIG": str(self.config),
            "SERVER_COMPOSE": self.compose,
            "SERVER_NAMES": self.names,
        }
        return {**kept, **base, **own, **variables}

    def up(self, *options: str, **variables: str) -> SharedServer:
        """Start it."""
        done = self.run("up", *options, **variables)
        assert done.returncode == 0, done.stderr
        return self

    def login(self, file: str = "server.env") -> dict[str, str]:
        """Return the variables of a file of passwords."""
        return {name: str(value) for name, value in dotenv_values(self.config / file).items()}

    def remove(self) -> None:
        """Remove it with all that it has made."""
        self.run("down", "--volumes")
        images = [f"{self.project}-server", f"{self.project}-postgres"]
        for image in images:  # under another name, so that the next one is built in a moment
            kept = f"shackdoo-test-kept-{image.rpartition('-')[2]}"
            subprocess.run(["docker", "tag", image, kept], capture_output=True)
        subprocess.run(["docker", "image", "rm", *images], capture_output=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def docker(*command: str) -> str:
    """Return what a docker command prints."""
    done = subprocess.run(["docker", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def find_compose() -> str | None:
    """Return the compose that is installed, if any is."""
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            done = subprocess.run([*command, "version"], capture_output=True)
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            return " ".join(command)
    return None
