"""Runs that ``mlflow run`` opened and never started: real ones, of the real program."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.unstarted import CLOCK, ELSEWHERE_SECONDS, WHY

MLFLOW_RUN = (sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local")
PROJECT = """
name: own
entry_points:
  main: {parameters: {task: string}, command: "echo {task}"}
  braces: {command: "echo ${HOME}"}
  long: {command: "sleep 1000"}
"""
SECONDS = 60.0


@pytest.fixture
def project(own_project: Path) -> Path:
    """A project that runs without this program."""
    (own_project / "MLproject").write_text(PROJECT)
    return own_project


@pytest.fixture
def clear(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Clear leftovers away, as a target of make does."""

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "shackdoo.commands.leftovers"],
            capture_output=True,
            text=True,
            cwd=project,
            env={**os.environ, **environment},
        )

    return run


def mlflow_run(project: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MLFLOW_RUN, *arguments], cwd=project, capture_output=True)


def client(project: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{project}/mlflow.db")


def runs(project: Path) -> list[Any]:
    return list(client(project).search_runs(["0"]))


def wait_for(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come")


def test_runs_that_mlflow_itself_refused_are_closed_by_sync(project: Path, shackdoo: Any) -> None:
    assert mlflow_run(project, "-P", "task=A", "-P", "+model=x").returncode == 1
    assert mlflow_run(project, "-e", "braces").returncode == 1
    assert [run.info.status for run in runs(project)] == ["RUNNING", "RUNNING"]
    done = shackdoo("sync")
    assert (done.returncode, done.stdout) == (0, "nothing to ship\n")
    for run in runs(project):
        assert run.info.status == "FAILED"
        assert run.info.end_time >= run.info.start_time
        assert run.data.tags["shackdoo.error"] == WHY
        assert (
            f"closed    {run.info.run_name}  MLflow run {run.info.run_id}: `mlflow run` ended "
            f"before the program started; it is FAILED now" in done.stderr.splitlines()
        )
    assert shackdoo("sync").stderr == ""


def test_a_living_mlflow_run_keeps_its_run_and_a_killed_one_loses_it(
    project: Path, clear: Any
) -> None:
    with living(project) as process:
        run_id = wait_for(lambda: [run.info.run_id for run in runs(project)])[0]
        assert clear().stderr == ""
        assert client(project).get_run(run_id).info.status == "RUNNING"
        wait_for(lambda: has_started(run_id))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert clear().stderr == ""  # what it has started goes on
        assert client(project).get_run(run_id).info.status == "RUNNING"
    done = clear()
    assert run_id in done.stderr
    assert client(project).get_run(run_id).info.status == "FAILED"


@pytest.mark.slow
def test_a_run_that_goes_on_does_not_keep_others_open(project: Path, clear: Any) -> None:
    with living(project):
        (long,) = wait_for(lambda: [run.info.run_id for run in runs(project)])
        wait_for(lambda: has_started(long))
        mlflow_run(project, "-e", "braces")
        clear()
        status = {run.info.run_id: run.info.status for run in runs(project)}
        assert status.pop(long) == "RUNNING"
        assert list(status.values()) == ["FAILED"]


def test_a_living_mlflow_run_of_another_project_keeps_none_open(
    project: Path, clear: Any, tmp_path: Path
) -> None:
    other = tmp_path / "another"
    shutil.copytree(project, other)
    with living(other, "-A", f"volume={tmp_path}/a:/b") as process:
        time.sleep(CLOCK)  # so that it is older than the run, to the clock of processes
        run_id = open_like_mlflow(client(project), str(project))
        clear()
        assert process.poll() is None
        assert client(project).get_run(run_id).info.status == "FAILED"


@pytest.mark.parametrize("same", [True, False])
def test_a_living_mlflow_run_of_an_address_keeps_the_runs_of_that_address(
    project: Path, clear: Any, tmp_path: Path, same: bool
) -> None:
    address, other = "git://127.0.0.1:9/x.git", "git://127.0.0.1:9/y"
    subprocess.run(["git", "-C", str(project), "init", "--quiet"], check=True)
    subprocess.run(["git", "-C", str(project), "remote", "add", "origin", address], check=True)
    # The words of a process are all that is known of it; it need not be MLflow.
    words = ["mlflow", "run", f"{address if same else other}#local", "-e", "train"]
    with subprocess.Popen(
        [sys.executable, "-c", "input()", *words], cwd=tmp_path, stdin=subprocess.PIPE
    ) as process:
        time.sleep(CLOCK)  # so that it is older than the runs, to the clock of processes
        store = client(project)
        opened = [open_like_mlflow(store, each) for each in (f"{address}#local", str(project))]
        clear()
        assert process.poll() is None
        process.communicate(b"\n")
    statuses = [store.get_run(each).info.status for each in opened]
    assert statuses == ["RUNNING" if same else "FAILED", "FAILED"]


def has_started(run_id: str) -> bool:
    """Return whether ``mlflow run`` has come to the command of a run."""
    import psutil

    found = psutil.process_iter(["environ"])
    return any((each.info["environ"] or {}).get("MLFLOW_RUN_ID") == run_id for each in found)


class living:  # a context like those of contextlib
    """An ``mlflow run`` that takes long, ended with all that it has started."""

    def __init__(self, project: Path, *options: str) -> None:
        client(project).search_experiments()  # makes the database
        self._project = project
        self._options = options

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [*MLFLOW_RUN, "-e", "long", *self._options],
            cwd=self._project,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self._process

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def open_like_mlflow(client: Any, source: str, age: float = 0.0, **tags: str) -> str:
    made = {
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": source,
        "mlflow.user": getpass.getuser(),
        **tags,
    }
    start = int((time.time() - age) * 1000)
    return str(client.create_run("0", start_time=start, tags=made).info.run_id)


def test_only_runs_of_this_project_and_this_user_are_closed(project: Path, clear: Any) -> None:
    store = client(project)
    ours = [open_like_mlflow(store, each) for each in (f"file://{project}", f"{project}/local")]
    ours.append(open_like_mlflow(store, f"file://{project.parent}#{project.name}"))
    others = [
        open_like_mlflow(store, f"file://{project.parent}/another"),
        open_like_mlflow(store, "https://example.org/x.git"),
        open_like_mlflow(store, str(project), **{"mlflow.user": "another"}),
        open_like_mlflow(store, str(project), **{"mlflow.source.type": "LOCAL"}),
        open_like_mlflow(store, str(project), **{"shackdoo.run_uid": "ab" * 16}),
        open_like_mlflow(store, str(project), **{"mlflow.project.backend": "kubernetes"}),
    ]
    clear()
    status = {run.info.run_id: run.info.status for run in runs(project)}
    assert {status[each] for each in ours} == {"FAILED"}
    assert {status[each] for each in others} == {"RUNNING"}


@pytest.mark.slow
def test_runs_of_a_clone_are_known_by_its_address(project: Path, clear: Any) -> None:
    git = ["git", "-C", str(project)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    remote = "https://example.org/x.git"
    subprocess.run([*git, "remote", "add", "origin", remote], check=True)
    store = client(project)
    ours = [open_like_mlflow(store, each) for each in (remote, "https://example.org/x#local")]
    other = open_like_mlflow(store, "https://example.org/y.git")
    clear()
    assert {store.get_run(each).info.status for each in ours} == {"FAILED"}
    assert store.get_run(other).info.status == "RUNNING"


def test_inside_a_container_nothing_is_closed(project: Path, clear: Any) -> None:
    run_id = open_like_mlflow(client(project), str(project))
    assert clear(SHACKDOO_CONTAINER="1").returncode == 0
    assert client(project).get_run(run_id).info.status == "RUNNING"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "tracking")
    from servers import MlflowServer

    started = MlflowServer(f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "artifacts").start()
    yield started
    started.kill()


@pytest.mark.slow
def test_on_a_server_that_others_use_too_a_run_has_some_minutes(
    project: Path, clear: Any, server: Any
) -> None:
    from mlflow import MlflowClient

    store = MlflowClient(server.uri)
    young = open_like_mlflow(store, str(project), age=ELSEWHERE_SECONDS - 60)
    old = open_like_mlflow(store, str(project), age=ELSEWHERE_SECONDS + 60)
    done = clear(MLFLOW_TRACKING_URI=server.uri)
    assert (done.returncode, done.stdout) == (0, "")
    assert store.get_run(young).info.status == "RUNNING"
    assert store.get_run(old).info.status == "FAILED"
    server.kill()
    assert clear(MLFLOW_TRACKING_URI=server.uri).returncode == 0  # it is away: another time
