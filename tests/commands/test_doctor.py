"""``shackdoo doctor`` on machines that lack this or that; what is looked at is real."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import record

from shackdoo.commands.checkup import compute
from shackdoo.commands.checkup.compute import TensorFlowLook, look_at_gpu
from shackdoo.commands.checkup.containers import look_at_docker
from shackdoo.commands.checkup.finding import Finding
from shackdoo.commands.checkup.project import look_at_project, look_at_state
from shackdoo.commands.checkup.store import look_at_own_server, look_at_store
from shackdoo.config.project import Project, find_project

Shackdoo = Callable[..., subprocess.CompletedProcess[str]]
NO_SERVER = "http://somebody:hunter2@127.0.0.1:9"


@pytest.fixture
def project(own_project: Path) -> Project:
    return find_project(own_project)


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


# ── the whole ────────────────────────────────────────────────────────────────────────────────


def test_where_a_training_works_it_says_so_and_writes_nothing(
    own_project: Path, shackdoo: Shackdoo
) -> None:
    before = sorted(own_project.rglob("*"))
    done = shackdoo("doctor", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["works"] is True
    states = {each["subject"]: each["state"] for each in told["findings"]}
    needed = ("state folder", "tracking store", "CPU", "TensorFlow")
    assert [states[subject] for subject in needed] == ["ok"] * 4
    assert sorted(own_project.rglob("*")) == before
    assert not Path(os.environ["SHACKDOO_STATE"]).exists()


def test_what_is_broken_is_told_with_the_way_out_and_exit_code_1(shackdoo: Shackdoo) -> None:
    done = shackdoo("doctor", MLFLOW_TRACKING_URI="file:///tmp/x")
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = (each for each in done.stdout.splitlines() if "tracking store  " in each)
    assert line.startswith("broken ")
    assert "is a folder of files, which MLflow no longer keeps runs in. Give a server" in line
    assert done.stdout.endswith("\na training does not work here: see 'broken'\n")


def test_no_secret_is_shown(own_project: Path, shackdoo: Shackdoo) -> None:
    (own_project / "conf" / "local").mkdir()
    (own_project / "conf" / "local" / "server.env").write_text(
        "MLFLOW_TRACKING_URI=http://127.0.0.1:9\n"
        "MLFLOW_TRACKING_USERNAME=somebody\nMLFLOW_TRACKING_PASSWORD=hunter2\n"
    )
    for more in ([], ["--json"]):
        done = shackdoo(
            "doctor", *more, MLFLOW_TRACKING_URI=NO_SERVER, MLFLOW_TRACKING_TOKEN="hunter3"
        )
        assert done.returncode == 0
        assert "http://127.0.0.1:9 can't be used" in done.stdout
        assert "hunter" not in done.stdout + done.stderr


def test_an_argument_that_it_does_not_know_is_a_mistake(shackdoo: Shackdoo) -> None:
    done = shackdoo("doctor", "--gpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert "`shackdoo doctor --help` lists the options" in done.stderr


# ── project, state, store ────────────────────────────────────────────────────────────────────


def test_the_commit_of_the_project_is_told(project: Project) -> None:
    found = look_at_project(project)
    assert (found.state, found.fact) == ("attention", f"{project.root}, no commit")
    git = ["git", "-C", str(project.root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    found = look_at_project(project)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert (found.state, found.fact) == ("ok", f"{project.root}, commit {commit[:12]}")
    (project.root / "new").touch()
    assert look_at_project(project).fact.endswith(f"commit {commit[:12]}, the tree differs from it")


def test_runs_that_wait_to_be_shipped_are_counted(own_project: Path, project: Project) -> None:
    assert look_at_state(project).state == "ok"
    for _ in range(2):
        record(own_project, "http://127.0.0.1:9")[1].end("FINISHED")
    _, going_on = record(own_project, "http://127.0.0.1:9")
    found = look_at_state(project)
    going_on.end("FINISHED")
    assert (found.state, found.way_out) == ("attention", "shackdoo sync")
    assert found.fact.endswith("; not shipped: 2")
    assert (found.details["runs"], found.details["not_shipped"]) == (3, 2)


def test_a_state_folder_that_cannot_be_is_broken(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHACKDOO_STATE", str(tmp_path / "file" / "state"))
    found = look_at_state(project)
    assert (found.state, found.way_out) == ("broken", "Set SHACKDOO_STATE to a folder of yours.")
    assert found.fact == f"{tmp_path}/file/state can't be written; journals of runs are kept there"


def test_a_store_is_told_with_who_named_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"SQLite file sqlite:///{project.root}/mlflow.db"
    (project.root / "mlflow.db").unlink()
    assert look_at_store(project).fact == f"{address} (default), made by the first run"
    (project.root / "mlflow.db").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert look_at_store(project).fact.startswith(f"{address} (MLFLOW_TRACKING_URI), answers in ")
    (project.root / "conf" / "local").mkdir()
    local = project.root / "conf" / "local" / "default.yaml"
    local.write_text("tracking: {uri: 'http://127.0.0.1:9'}\n")
    found = look_at_store(project)
    assert (found.state, found.details["named_by"]) == ("attention", "tracking.uri")
    assert "can't be used: Connection refused" in found.fact
    local.write_text("tracking: {uri: '${oc.env:HERE}'}\n")
    assert look_at_store(project).state == "attention"


def test_the_server_of_make_is_asked_as_its_file_says(project: Project) -> None:
    assert look_at_own_server(project) == []
    file = project.root / "conf" / "local" / "server.env"
    file.parent.mkdir()
    file.write_text("MLFLOW_TRACKING_URI=http://127.0.0.1:9\n")
    (found,) = look_at_own_server(project)
    assert (found.state, found.way_out) == ("attention", "make server-up")
    assert found.details["named_by"] == "conf/local/server.env"


# ── what is computed on ──────────────────────────────────────────────────────────────────────


def test_a_gpu_that_tensorflow_does_not_see_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "bin" / "nvidia-smi", "echo 'NVIDIA L4, 550.54.15, 23034 MiB'")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as where it is not installed
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpu = look_at_gpu()
    assert (gpu.state, gpu.fact) == ("ok", "driver 550.54.15: NVIDIA L4 (23034 MiB)")
    found = TensorFlowLook().finding(gpu)
    assert found.state == "attention"
    assert found.fact.endswith("does not see the GPU and computes on the CPU")
    assert "uv pip install -r requirements-gpu.lock" in str(found.way_out)


NO_GPU = Finding("NVIDIA GPU", "missing", "", None, {"devices": []})


def test_a_tensorflow_that_can_not_be_imported_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libnothing.so.1')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = TensorFlowLook().finding(NO_GPU)
    assert (found.state, found.way_out) == ("broken", "Install the locked packages: make install.")
    assert found.fact == "it can't be imported: ImportError: libnothing.so.1"


def test_a_tensorflow_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow.py").write_text("import time; time.sleep(1000)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(compute, "TENSORFLOW_SECONDS", 1.0)
    found = TensorFlowLook().finding(NO_GPU)
    assert (found.state, found.fact) == (
        "broken",
        "it can't be imported: it was not imported within 1 s",
    )


# ── Docker ───────────────────────────────────────────────────────────────────────────────────


def in_a_fresh_process(root: Path, before: str = "", **environment: str) -> dict[str, Any]:
    """Look at Docker where its SDK can leave sockets to the collector of garbage."""
    code = (
        "import json, os\nfrom dataclasses import asdict\nfrom pathlib import Path\n"
        "from shackdoo.commands.checkup.containers import look_at_docker\n"
        f"{before}\nfound = look_at_docker(Path({str(root)!r}), has_gpu=False)\n"
        "print(json.dumps({each.subject: asdict(each) for each in found}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_machine_without_docker_lacks_it_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    nowhere = {"PATH": f"{tmp_path}/bin", "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    found = in_a_fresh_process(tmp_path, **nowhere)
    assert list(found) == ["docker client", "docker SDK", "docker engine"]
    assert found["docker client"]["state"] == found["docker engine"]["state"] == "missing"
    assert found["docker engine"]["fact"] == "no engine is running here: its socket is not there"
    assert "install" in found["docker engine"]["way_out"].lower()


def test_an_engine_that_has_died_is_to_be_started(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "docker.sock"))
        found = in_a_fresh_process(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")
    engine = found["docker engine"]
    assert (engine["state"], engine["fact"]) == ("missing", "nobody answers at the engine's socket")
    assert engine["way_out"] == "Start Docker: sudo systemctl start docker."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not")
def test_a_user_who_may_not_use_the_engine_is_told_which_group_to_join(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as roots:
        roots.bind(str(tmp_path / "docker.sock"))
        roots.listen()
        (tmp_path / "docker.sock").chmod(0o600)
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        nobody = "import docker, docker.errors, requests\nos.seteuid(65534)"
        found = in_a_fresh_process(tmp_path, nobody, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")
    engine = found["docker engine"]
    assert engine["fact"] == "this user may not use the engine's socket"
    assert "usermod -aG docker $USER" in engine["way_out"]


def test_inside_a_container_the_engine_is_the_hosts_affair(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHACKDOO_CONTAINER", "1")
    (found,) = look_at_docker(project.root, has_gpu=False)
    assert (found.subject, found.state) == ("container", "ok")
    assert found.fact == "this is one, with a mounted tree"
