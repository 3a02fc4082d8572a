"""What docker/host.sh prints for ``docker run``; no engine is needed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HOST = Path(__file__).resolve().parents[2] / "docker" / "host.sh"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "a tree"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def host(
    tree: Path, what: str, caller: int | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": str(tree.parent), "LOGNAME": "me"}
    return subprocess.run(
        ["sh", HOST, what, str(caller or os.getpid())],
        cwd=tree,
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )


def said(tree: Path, what: str, caller: int | None = None, **environment: str) -> str:
    done = host(tree, what, caller, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.rstrip("\n")


def test_tree_and_state_have_their_own_paths_inside(tree: Path) -> None:
    assert said(tree, "project") == f"{tree}:{tree}"
    state = tree.parent / ".local/state/shackdoo"
    assert said(tree, "state") == f"{state}:{state}"
    assert state.stat().st_mode & 0o777 == 0o700
    assert said(tree, "git") == "/dev/null:/mlflow/no-git"


def test_of_a_project_inside_a_repository_the_whole_is_mounted(tree: Path) -> None:
    (tree / "part").mkdir()
    assert said(tree / "part", "project") == f"{tree}:{tree}"


def test_without_a_repository_the_folder_is_mounted(tmp_path: Path) -> None:
    assert said(tmp_path, "project") == f"{tmp_path}:{tmp_path}"


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("http://127.0.0.1:5000", "--network=host"),
        ("http://localhost", "--network=host"),
        ("HTTPS://Localhost:5000/path", "--network=host"),
        ("http://0.0.0.0:5000", "--network=host"),
        (f"http://{socket.gethostname()}:5000", "--network=host"),
        ("http://[::1]:5000", "--network=host"),
        ("postgresql+psycopg2://127.0.0.1:5432/runs", "--network=host"),
        ("databricks", ""),
        ("http://localhost.example.org:5000", ""),
        ("http://team:5000/127.0.0.1", ""),
        ("sqlite:////tmp/mlflow.db", ""),
        ("", ""),
    ],
)
def test_the_hosts_network_is_for_a_server_on_this_machine(
    tree: Path, uri: str, options: str
) -> None:
    assert said(tree, "options", MLFLOW_TRACKING_URI=uri) == options


@pytest.fixture
def caller() -> Iterator[int]:
    """A process whose command line asks for a network as ``mlflow run -A`` does."""
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, "-A", "network=host"]) as process:
        while b"network" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        yield process.pid
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="command lines are read from /proc")
def test_what_the_user_asks_for_is_not_said_twice(tree: Path, caller: int) -> None:
    uri = "http://127.0.0.1:5000"
    assert said(tree, "options", caller, MLFLOW_TRACKING_URI=uri) == ""


def test_a_gpu_is_passed_unless_it_is_unwanted_or_docker_cannot(tree: Path) -> None:
    programs = tree.parent / "programs"
    programs.mkdir()

    def program(name: str, script: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    path = f"{programs}:{os.environ['PATH']}"
    program("docker", "echo 'map[runc:{}]'")
    program("nvidia-smi", "echo 'GPU 0: NVIDIA'")
    assert said(tree, "options", PATH=path) == ""  # no toolkit
    program("docker", "echo 'map[nvidia:{} runc:{}]'")
    assert said(tree, "options", PATH=path) == "--gpus=all"
    program("docker", "echo 'map[runc:{}]'")
    program("nvidia-ctk", "exit 0")
    assert said(tree, "options", PATH=path) == "--gpus=all"
    assert said(tree, "options", PATH=path, GPU="0") == ""
    program("nvidia-smi", "exit 9")  # a driver that doesn't work
    assert said(tree, "options", PATH=path) == ""


def test_an_address_with_a_password_is_refused(tree: Path) -> None:
    done = host(tree, "options", MLFLOW_TRACKING_URI="http://me:secret@team:5000")
    assert done.returncode == 2
    assert "secret" not in done.stderr
    assert "Change it, and give it as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS" in (
        done.stderr
    )


def test_a_space_in_the_path_of_an_sqlite_store_is_refused(tree: Path) -> None:
    done = host(tree, "artifacts", MLFLOW_TRACKING_URI=f"sqlite:///{tree}/mlflow.db")
    assert done.returncode == 2
    assert f"MLflow can't hand '{tree}/mlflow.db' to Docker: there is a space in it" in done.stderr


def variables(tree: Path, **environment: str) -> dict[str, str | None]:
    file = Path(said(tree, "environment", **environment))
    assert file.stat().st_mode & 0o777 == 0o600
    lines = (line.partition("=") for line in file.read_text().splitlines())
    return {name: value if sign else None for name, sign, value in lines}


def test_the_file_of_variables_has_names_of_credentials_and_no_values(tree: Path) -> None:
    secrets = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"}
    found = variables(tree, **secrets, MLFLOW_TRACKING_URI="http://127.0.0.1:5000")
    assert found["MLFLOW_TRACKING_PASSWORD"] is None
    assert found["SHACKDOO_PROJECT"] == str(tree)
    assert found["SHACKDOO_STATE"] == str(tree.parent / ".local/state/shackdoo")
    assert found["LOGNAME"] == "me"
    assert "SHACKDOO_TRACKING_URI" not in found
    assert "NVIDIA_VISIBLE_DEVICES" not in found
    assert variables(tree, GPU="0")["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_an_sqlite_store_has_its_own_path_inside(tree: Path) -> None:
    store = tree.parent / "store"
    store.mkdir()
    uri = f"sqlite:///{store}/runs.db"
    assert said(tree, "store", MLFLOW_TRACKING_URI=uri) == f"{store}:{store}"
    assert variables(tree, MLFLOW_TRACKING_URI=uri)["SHACKDOO_TRACKING_URI"] == uri
    inside = f"sqlite:///{tree}/mlflow.db"
    assert said(tree, "store", MLFLOW_TRACKING_URI=inside) == "/dev/null:/mlflow/no-store"


@pytest.mark.skipif(sys.platform != "linux", reason="folders of processes are read from /proc")
def test_without_an_address_the_store_is_where_mlflow_run_was_typed(tree: Path) -> None:
    here = Path.cwd()
    assert said(tree, "store") == f"{here}:{here}"
    assert variables(tree)["SHACKDOO_TRACKING_URI"] == f"sqlite:///{here}/mlflow.db"


def test_the_folder_of_an_experiment_is_made_by_its_user_and_mounted(tree: Path) -> None:
    run = tree.parent / "files" / "7" / "run"
    command = f"docker run --rm -v {run}/artifacts:{run}/artifacts -v x:y shackdoo python3"
    done = subprocess.run(
        ["sh", HOST, "artifacts", str(os.getpid()), command],
        cwd=tree,
        env={**os.environ, "MLFLOW_TRACKING_URI": "http://team:5000"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{run.parent}:{run.parent}\n"
    assert (run / "artifacts").is_dir()
    assert said(tree, "artifacts") == "/dev/null:/mlflow/no-artifacts"


def test_a_store_whose_folder_is_missing_is_refused(tree: Path) -> None:
    done = host(tree, "store", MLFLOW_TRACKING_URI="sqlite:////not/here/runs.db")
    assert done.returncode == 2
    assert done.stderr == (
        "error: The folder of the SQLite store /not/here/runs.db is not there. Make it, or set "
        "MLFLOW_TRACKING_URI to another store.\n"
    )


def test_a_state_folder_that_cannot_be_made_is_refused(tree: Path) -> None:
    (tree / "file").touch()
    done = host(tree, "state", SHACKDOO_STATE=str(tree / "file" / "state"))
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"error: The state folder {tree}/file/state can't be made. Set SHACKDOO_STATE to a "
        "folder of yours.\n"
    )


def test_the_mlproject_stops_before_docker_if_the_host_cannot_be_told(tree: Path) -> None:
    import yaml

    root = HOST.parents[1]
    volumes = yaml.safe_load((root / "MLproject").read_text())["docker_env"]["volumes"]
    options = " ".join(f"-v {volume}" for volume in volumes)
    (tree / "docker").symlink_to(HOST.parent)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tree.parent), "LOGNAME": "me"}

    def shell(**more: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-c", f"printf '%s\\n' {options}"]
        env = {**environment, **more}
        return subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True)

    words = shell(MLFLOW_TRACKING_URI="http://127.0.0.1:5000").stdout.splitlines()
    assert words[:4] == ["-v", f"{tree}:/mlflow/projects/code", "-v", f"{tree}:{tree}"]
    assert words[-1] == "--network=host"
    assert words[words.index("--env-file") + 1].endswith(f"/{os.getpid()}.env")

    refused = shell(MLFLOW_TRACKING_URI="sqlite:///mlflow.db")
    assert refused.returncode == -15
    assert refused.stdout == ""
    assert f"four slashes: sqlite:///{Path.cwd()}/mlflow.db" in refused.stderr
