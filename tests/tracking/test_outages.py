"""Servers, databases and disks that go away while a run is recorded: nothing is lost, no wait.

The writer and its shipper are processes of their own, as in a training; the writer says what is
acknowledged and how long its longest write took.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servers import MlflowServer, Postgres
from stored import check_whole

from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import lock_file, read_shipping, wait_shipped
from shackdoo.tracking.state import make_run_folder, new_run_uid

pytestmark = pytest.mark.slow

NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]
WRITER = Path(__file__).with_name("writer.py")
PAUSE = 0.01
LONGEST_WRITE = 2.0  # seconds: less than any time limit of a server; benchmarks measure it
SHIPPED_SECONDS = 180.0


class Training:
    """A process that records, and what it said."""

    def __init__(self, state: Path, uri: str, experiment: str, points: int) -> None:
        self.uri, self.experiment, self.points = uri, experiment, points
        self.folder = make_run_folder(state, new_run_uid())
        self._process = subprocess.Popen(
            [sys.executable, WRITER, self.folder, uri, str(points), str(PAUSE), "finish"],
            env={
                **os.environ,
                "SHIP": "yes",
                "EXPERIMENT": experiment,
                "SHACKDOO_STATE": str(state),
                "MLFLOW_HTTP_REQUEST_TIMEOUT": "3",
            },
            stdout=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> list[int]:
        """Wait for its end; return the acknowledged steps. No write may have had to wait."""
        *steps, longest = self._process.communicate()[0].splitlines()
        assert self._process.returncode == 0
        assert float(longest.split()[1]) < LONGEST_WRITE
        assert len(steps) == self.points
        return [int(step) for step in steps]

    def wait_for_trouble(self) -> str:
        """Wait until the shipper has noticed; return what it says."""
        end = time.monotonic() + SHIPPED_SECONDS
        while (error := read_shipping(self.folder).error) is None and time.monotonic() < end:
            time.sleep(0.05)
        assert error is not None
        return error

    def wait_for_run(self) -> None:
        """Wait until something of it is in the store."""
        end = time.monotonic() + SHIPPED_SECONDS
        while read_shipping(self.folder).offset == 0 and time.monotonic() < end:
            time.sleep(0.05)
        assert read_shipping(self.folder).offset

    def check_arrived(self, acknowledged: list[int], uri: str | None = None) -> None:
        """Wait until the shipper has carried all of it, and compare."""
        log = (self.folder / "shipper.log").read_text()
        assert wait_shipped(self.folder, SHIPPED_SECONDS).done, log
        run = check_whole(uri or self.uri, self.experiment, self.folder, acknowledged)
        assert run.info.status == "FINISHED"

    def stop_shipper(self) -> None:
        """Kill the shipper, if there is one still."""
        self._process.kill()
        with contextlib.suppress(OSError, ValueError):
            shipper = int((self.folder / lock_file()).read_text())
            if shipper != os.getpid():  # the test itself may have been the last one
                os.kill(shipper, signal.SIGKILL)
            with (self.folder / lock_file()).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # free once it is dead


@pytest.fixture
def training(state: Path, experiment: str) -> Iterator[Callable[[str, int], Training]]:
    """Start a recording process; its shipper ends with the test."""
    started: list[Training] = []

    def start(uri: str, points: int) -> Training:
        started.append(Training(state, uri, experiment, points))
        return started[-1]

    yield start
    for one in started:
        one.stop_shipper()


@pytest.fixture
def own_server(store_uri: str, tmp_path: Path) -> Iterator[MlflowServer]:
    """A server of the test's own, not started yet."""
    server = MlflowServer(store_uri, tmp_path / "artifacts")
    yield server
    server.kill()


def test_a_server_that_is_killed_in_mid_run_and_comes_back(
    training: Callable[..., Training],
    own_server: MlflowServer,
    counted: Callable[[int, int], int],
) -> None:
    seconds_away = counted(30, 3)
    own_server.start()
    one = training(own_server.uri, 100 * (seconds_away + 12))
    one.wait_for_run()
    own_server.kill()
    one.wait_for_trouble()
    time.sleep(seconds_away)
    own_server.start()
    one.check_arrived(one.finish())


def test_a_server_that_is_away_for_the_whole_run(
    training: Callable[..., Training], own_server: MlflowServer
) -> None:
    one = training(own_server.uri, 300)
    assert "refused" in one.wait_for_trouble()
    acknowledged = one.finish()
    assert not read_shipping(one.folder).done
    own_server.start()
    one.check_arrived(acknowledged)


@pytest.mark.postgres
def test_a_database_that_restarts_at_once(
    training: Callable[..., Training],
    server_on_postgres: MlflowServer,
    postgres: Postgres,
    counted: Callable[[int, int], int],
) -> None:
    one = training(server_on_postgres.uri, counted(3000, 1000))
    one.wait_for_run()
    for _ in range(counted(5, 2)):
        postgres.restart_immediately()
        time.sleep(1)
    one.check_arrived(one.finish())


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose packets vanish: its queue of connections is full and nobody takes them."""
    with socket.socket() as hole, contextlib.ExitStack() as callers:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(hole.getsockname())
        time.sleep(0.2)
        yield int(hole.getsockname()[1])


def test_an_address_that_swallows_everything(
    training: Callable[..., Training], store_uri: str, tmp_path: Path
) -> None:
    with black_hole() as port:
        one = training(f"http://127.0.0.1:{port}", 300)
        acknowledged = one.finish()
        assert "no answer within 5 s" in one.wait_for_trouble()
    server = MlflowServer(store_uri, tmp_path / "artifacts", port)
    try:
        server.start()
        one.check_arrived(acknowledged)
    finally:
        server.kill()


def test_a_server_that_wants_a_password(
    training: Callable[..., Training],
    own_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """401 until the password is known; the shipper that was refused asks again by itself."""
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    own_server.start(
        "--app-name",
        "basic-auth",
        MLFLOW_FLASK_SERVER_SECRET_KEY="key-of-the-test",
        MLFLOW_AUTH_ADMIN_PASSWORD="a-long-password",
    )
    one = training(own_server.uri, 300)
    assert "it answers 401: it wants credentials" in one.wait_for_trouble()
    acknowledged = one.finish()
    one.stop_shipper()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a-long-password")
    shipping = ship(one.folder, NOTHING)
    assert shipping.done, shipping.error
    one.check_arrived(acknowledged)


def test_a_server_that_refuses_the_name_it_is_called_by(
    training: Callable[..., Training], own_server: MlflowServer
) -> None:
    """403 until it is started with that name."""
    own_server.start("--allowed-hosts", "somebody.else")
    one = training(own_server.uri, 300)
    assert "started with --allowed-hosts 127.0.0.1" in one.wait_for_trouble()
    acknowledged = one.finish()
    own_server.kill()
    own_server.start()
    one.check_arrived(acknowledged)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Callable[[int], None]]:
    """A disk of that size; call what is given with another size to enlarge it."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a disk that is full needs root and the right to mount")

    def enlarge(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}m", str(folder)], check=True)

    try:
        yield enlarge
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_store_whose_disk_is_full(
    training: Callable[..., Training], empty_store: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 2) as enlarge:
        store = shutil.copyfile(empty_store, tmp_path / "disk" / "mlflow.db")
        (tmp_path / "disk" / "ballast").write_bytes(bytes((2 << 20) - store.stat().st_size))
        one = training(f"sqlite:///{store}", 300)
        assert "full" in one.wait_for_trouble()
        acknowledged = one.finish()
        assert not read_shipping(one.folder).done
        enlarge(50)
        one.check_arrived(acknowledged)


def test_the_journals_own_disk_is_full(state: Path, tmp_path: Path) -> None:
    """That ends the run: a number that nobody keeps would be none. What is there stays whole."""
    from shackdoo.errors import RunError
    from shackdoo.tracking.journal import JOURNAL, Journal, read_entries

    with small_disk(tmp_path / "disk", 1):
        journal = Journal(tmp_path / "disk" / JOURNAL)
        written = 0
        with pytest.raises(RunError, match=r"can't be written: No space left.*Make room on that"):
            for _ in range(100_000):
                journal.write("metrics", step=written, values={"loss": 0.5}, note="x" * 1000)
                written += 1
        journal.close()
        entries = [entry for entry, _ in read_entries(tmp_path / "disk" / JOURNAL)]
        assert [entry["step"] for entry in entries] == list(range(written))
        assert (tmp_path / "disk" / JOURNAL).read_bytes().endswith(b"\n")
