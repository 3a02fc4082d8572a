"""Both MLprojects offer the same; the one without Docker trains."""

import os
import shlex
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def docker(root):
    return read(root / "MLproject")


@pytest.fixture(scope="module")
def local(root):
    return read(root / "local" / "MLproject")


def test_same_entry_points_and_parameters(docker, local):
    assert (
        docker["entry_points"].keys() == local["entry_points"].keys() == {"main", "train", "infer"}
    )
    for name, entry in docker["entry_points"].items():
        twin = local["entry_points"][name]
        assert twin["parameters"] == entry["parameters"]
        assert twin["command"] == "cd .. && " + entry["command"]


def test_building_an_image_does_not_overwrite_the_one_built_on(docker):
    assert docker["name"] != docker["docker_env"]["image"].partition(":")[0]


def test_conda_environment_is_the_lock(root, local):
    conda = root / "local" / local["conda_env"]
    (pip,) = [part["pip"] for part in read(conda)["dependencies"] if isinstance(part, dict)]
    (flag, lock) = pip[0].split()
    assert flag == "-r"
    # Conda looks beside conda.yaml, MLflow's other managers in the project's folder.
    assert (conda.parent / lock).resolve() == root / "requirements.lock"
    assert (root / "local" / lock).read_bytes() == (root / "requirements.lock").read_bytes()


def test_no_file_is_a_link(root):
    """``mlflow run --build-image`` copies what a link points at; git would call that a change."""
    listed = ["git", "ls-files", "--stage"]
    files = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout
    assert [line for line in files.splitlines() if not line.startswith("100")] == []


def test_each_value_reaches_the_program_as_one_argument(local):
    from mlflow.projects._project_spec import EntryPoint

    entry = local["entry_points"]["train"]
    command = EntryPoint("train", entry["parameters"], entry["command"]).compute_command(
        {"task": "Mnist_B", "overrides": "a=1 b='x y'; rm -rf /"}, storage_dir=None
    )
    assert shlex.split(command)[-3:] == [
        "task=Mnist_B",
        "optimizer=",
        "overrides=a=1 b='x y'; rm -rf /",
    ]


def test_infer_hands_each_value_on_as_one_argument(local):
    from mlflow.projects._project_spec import EntryPoint

    entry = local["entry_points"]["infer"]
    command = EntryPoint("infer", entry["parameters"], entry["command"]).compute_command(
        {"input": "my scans/*.png; rm -rf /", "run": "models:/digits@champion"}, storage_dir=None
    )
    assert shlex.split(command)[-5:] == [
        "input=my scans/*.png; rm -rf /",
        "output=",
        "task=",
        "run=models:/digits@champion",
        "overrides=",
    ]


@pytest.mark.slow
def test_mlflow_run_local_trains(root, tmp_path):
    store = tmp_path / "mlflow.db"
    overrides = "task.parameters.max_steps_per_epoch=20 optimizer.learning_rate=0.01"
    mlflow = Path(sys.executable).with_name("mlflow")
    values = ["-P", "task=Mnist_B", "-P", f"overrides={overrides}"]
    done = subprocess.run(
        [mlflow, "run", root / "local", "-e", "train", *values, "--env-manager", "local"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{store}",
            "SHACKDOO_STATE": str(tmp_path / "state"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(store) as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]
        logged = dict(database.execute("SELECT key, value FROM params"))
    assert logged["task.parameters.max_steps_per_epoch"] == "20"
    assert float(logged["optimizer.learning_rate"]) == 0.01
