"""Containers whose starter is gone, with a real engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shackdoo.commands.left_containers import CONTAINERS, stop_left_containers

IMAGE = "debian:bookworm-slim"
# Ends in order on SIGTERM, as tini lets a training do; leaves word of it.
WORKS = "trap 'echo closed; exit 143' TERM; while :; do sleep 0.1; done"


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def prefix() -> Iterator[str]:
    """A beginning of names for the containers of a test; they go with it."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command")
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode:
        pytest.skip(f"there is no Docker engine with the image {IMAGE}")
    made = f"shackdoo-test-{uuid.uuid4().hex[:8]}"
    yield made
    left = docker("ps", "--all", "--quiet", "--filter", f"name={made}").split()
    for container in left:
        docker("rm", "--force", container)


@pytest.fixture
def start(prefix: str, tmp_path: Path) -> Callable[[int], str]:
    """Start a container as ``mlflow run`` of a process id does; return its id."""

    def run(pid: int) -> str:
        notes = tmp_path / CONTAINERS
        notes.mkdir(exist_ok=True)
        note = notes / f"{pid}.cid"
        command = ["run", "--detach", "--rm", "--cidfile", str(note), "--name", f"{prefix}-{pid}"]
        return docker(*command, IMAGE, "sh", "-c", WORKS)

    return run


def gone_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def is_there(container: str) -> bool:
    found = docker("ps", "--all", "--no-trunc", "--quiet", "--filter", f"id={container}")
    return found == container


def wait_until_gone(container: str) -> None:
    end = time.monotonic() + 30
    while is_there(container) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_there(container)


@pytest.mark.docker
def test_only_the_container_of_a_process_that_is_gone_is_stopped(
    start: Callable[[int], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = gone_pid()
    left, living = start(gone), start(os.getpid())
    began = time.monotonic()
    stop_left_containers(tmp_path)
    assert time.monotonic() - began < 8  # it is asked to end, and not killed after 10 s
    wait_until_gone(left)
    assert is_there(living)
    assert [note.name for note in (tmp_path / CONTAINERS).iterdir()] == [f"{os.getpid()}.cid"]
    assert capsys.readouterr().err == (
        f"stopping container {left[:12]}, whose starter (`mlflow run`, make, `shackdoo reproduce`) "
        f"is gone; a training in it is closed as KILLED\n"
    )
    stop_left_containers(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.docker
def test_a_number_that_another_process_has_by_now_protects_nothing(
    start: Callable[[int], str], tmp_path: Path
) -> None:
    left = start(os.getpid())
    note = tmp_path / CONTAINERS / f"{os.getpid()}.cid"
    os.utime(note, (1, 1))  # written before this process was created
    stop_left_containers(tmp_path)
    wait_until_gone(left)
    assert not note.exists()


@pytest.mark.docker
def test_a_container_that_is_gone_by_itself_leaves_no_note(
    start: Callable[[int], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = gone_pid()
    container = start(gone)
    docker("kill", container)
    wait_until_gone(container)
    (tmp_path / CONTAINERS / f"{gone}.env").write_text("SHACKDOO_STATE=x\n")
    young, old = (tmp_path / CONTAINERS / f"{gone_pid()}.cid" for _ in range(2))
    young.touch()  # its `docker run` may still be at work
    old.touch()
    os.utime(old, (1, 1))
    stop_left_containers(tmp_path)
    assert list((tmp_path / CONTAINERS).iterdir()) == [young]
    assert capsys.readouterr().err == ""


def note_of_nobody(state: Path) -> Path:
    (state / CONTAINERS).mkdir()
    note = state / CONTAINERS / f"{gone_pid()}.cid"
    note.write_text("ab" * 32)
    return note


def in_a_fresh_process(state: Path, then: str = "", **environment: str) -> str:
    code = (
        "import sys; from pathlib import Path\n"
        "from shackdoo.commands.left_containers import stop_left_containers\n"
        f"stop_left_containers(Path({str(state)!r}))\n{then}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout + done.stderr


def test_without_an_engine_all_stays_and_nothing_is_said(tmp_path: Path) -> None:
    note = note_of_nobody(tmp_path)
    # A fresh process: Docker's SDK leaves its socket to the collector of garbage.
    assert in_a_fresh_process(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/no.sock") == ""
    assert note.exists()


def test_inside_a_container_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHACKDOO_CONTAINER", "1")
    note = note_of_nobody(tmp_path)
    (tmp_path / CONTAINERS / f"{note.stem}.env").touch()
    stop_left_containers(tmp_path)
    assert len(list((tmp_path / CONTAINERS).iterdir())) == 2


def test_without_leftovers_nothing_is_loaded(tmp_path: Path) -> None:
    then = "print({'docker', 'requests', 'psutil'} & set(sys.modules))"
    assert in_a_fresh_process(tmp_path, then) == "set()\n"


@pytest.mark.docker
def test_a_container_that_never_ran_is_removed(prefix: str, tmp_path: Path) -> None:
    (tmp_path / CONTAINERS).mkdir()
    note = tmp_path / CONTAINERS / f"{gone_pid()}.cid"
    made = docker("create", "--cidfile", str(note), "--name", f"{prefix}-made", IMAGE, "true")
    stop_left_containers(tmp_path)
    assert not is_there(made)
    assert not note.exists()


@pytest.mark.docker
def test_commands_stop_what_is_left(
    start: Callable[[int], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "conf").mkdir(parents=True)
    environment = {
        **os.environ,
        "SHACKDOO_ROOT": str(project),
        "SHACKDOO_STATE": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    wrong = (["train", "task=No"], ["infer", "task=No"], ["report", "latest"])
    for command in (["runs"], ["sync"], *wrong):
        left = start(gone_pid())
        done = subprocess.run(
            [sys.executable, "-m", "shackdoo.cli", *command],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert f"stopping container {left[:12]}" in done.stderr
        assert done.returncode == (2 if command in wrong else 0)
        wait_until_gone(left)
