"""A server that is away is found out before anything large is loaded."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shackdoo.tracking.journal import JournalTracker
from shackdoo.tracking.server import knock

SHIP = """
import shutil, sys
from pathlib import Path
from shackdoo.tracking.shipper import Workshop, ship
print(ship(Path(sys.argv[1]), Workshop({}, redact=shutil.copyfile)).error)
print({"mlflow", "matplotlib"} & {name.partition(".")[0] for name in sys.modules})
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def nobody(listener: socket.socket) -> str:
    """An address where nobody listens any more."""
    port = listener.getsockname()[1]
    listener.close()
    return f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_who_listens_is_found(listener: socket.socket) -> None:
    knock(f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}/path")
    listener.settimeout(5)
    taken, _ = listener.accept()
    taken.close()


def test_nobody_is_told(nobody: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        knock(nobody)


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_behind_a_proxy_a_request_has_to_tell(
    nobody: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    knock(nobody)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ConnectionRefusedError):
        knock(nobody)


def test_for_a_server_that_is_away_mlflow_is_not_loaded(
    open_run: Callable[..., tuple[Path, JournalTracker]], nobody: str
) -> None:
    folder, tracker = open_run(tracking_uri=nobody)
    tracker.metrics({"loss": 1.0}, step=1)
    command = [sys.executable, "-c", SHIP, str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"The tracking store {nobody} can't be used: Connection refused\nset()\n"
