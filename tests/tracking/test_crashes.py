"""Writers and shippers that die at random moments, and many of them at once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import MlflowServer
from stored import check_whole, runs_of

from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import close_if_dead, local_runs, make_run_folder, new_run_uid
from shackdoo.tracking.tracker import Artifact

NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]
HERE = Path(__file__).parent
ENDINGS = ("kill -9", "SIGTERM", "exit", "memory", "finish")
SHIPPED_SECONDS = 300.0


def start_writer(
    folder: Path, uri: str, points: int, pause: float, ending: str, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, HERE / "writer.py", folder, uri, str(points), str(pause), ending],
        env={**os.environ, "SHACKDOO_STATE": str(folder.parent.parent), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def died(folder: Path, uri: str, ending: str, seconds: float) -> list[int]:
    """Let a writer die; return the steps that were acknowledged to it."""
    by_signal = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM}.get(ending)
    writer = start_writer(
        folder, uri, 10**9 if by_signal else round(seconds * 1000), 0.0005, ending
    )
    assert writer.stdout is not None
    first = writer.stdout.readline().split()
    if by_signal:
        time.sleep(seconds)
        writer.send_signal(by_signal)
    said = first + writer.communicate()[0].split()
    return [int(word) for word in said if word.isdigit()]


def test_a_writer_may_die_at_any_moment_and_in_any_way(
    state: Path, store_uri: str, counted: Callable[[int, int], int]
) -> None:
    chance = random.Random(7)
    for number in range(counted(100, 15)):
        ending = ENDINGS[number % len(ENDINGS)]
        folder = make_run_folder(state, new_run_uid())
        acknowledged = died(folder, store_uri, ending, chance.uniform(0.001, 0.3))
        assert acknowledged
        (run,) = (run for run in local_runs(state) if run.folder == folder)
        assert close_if_dead(run)
        assert ship(folder, NOTHING).done
        stored = check_whole(store_uri, "digits", folder, acknowledged)
        assert stored.info.status == ("FINISHED" if ending == "finish" else "KILLED")
    assert len(runs_of(store_uri, "digits")) == counted(100, 15)


def test_shippers_may_be_killed_at_any_moment(
    open_run: Callable[..., Any],
    state: Path,
    store_uri: str,
    tmp_path: Path,
    counted: Callable[[int, int], int],
) -> None:
    runs, steps = counted(20, 6), 700
    for number in range(runs):
        _, tracker = open_run(tracking_uri=store_uri)
        tracker.params({"config.seed": number})
        for step in range(steps):
            tracker.metrics({"loss": 1 / (step + 3), "accuracy": step / 7}, step=step)
        (tmp_path / "notes.txt").write_text(f"run {number}")
        tracker.attach(Artifact(tmp_path / "notes.txt", "texts"))
        tracker.end("FINISHED")
    kills = counted(100, 10)
    command = [sys.executable, HERE / "killed_shippers.py", state, str(kills), "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [str(kills)], done.stderr
    for run in local_runs(state):
        assert ship(run.folder, NOTHING).done
        assert check_whole(store_uri, "digits", run.folder, range(steps)).info.status == "FINISHED"
    assert len(runs_of(store_uri, "digits")) == runs


@pytest.fixture(params=["sqlite, not there yet", "server"])
def busy_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that many will want at once."""
    if request.param == "server":
        server: MlflowServer = request.getfixturevalue("server_on_sqlite")
        return server.uri
    return f"sqlite:///{tmp_path / 'new.db'}"


def test_many_runs_at_once(
    busy_store: str, state: Path, experiment: str, counted: Callable[[int, int], int]
) -> None:
    uri = busy_store
    folders = [make_run_folder(state, new_run_uid()) for _ in range(counted(20, 5))]
    points = 500
    writers = [
        start_writer(folder, uri, points, 0.005, "finish", SHIP="yes", EXPERIMENT=experiment)
        for folder in folders
    ]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    for folder in folders:
        assert wait_shipped(folder, SHIPPED_SECONDS).done, (folder / "shipper.log").read_text()
        assert check_whole(uri, experiment, folder, range(points)).info.status == "FINISHED"
    assert len(runs_of(uri, experiment)) == len(folders)
