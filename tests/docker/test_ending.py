"""How a run in a container ends: nothing is left running, no number is lost, the tags are true."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from persons import BIN, IMAGE, Person, append
from store_reader import runs_of

pytestmark = pytest.mark.docker
LONG = "task.parameters.epochs=500 task.parameters.max_steps_per_epoch=50"
WITHIN = 3.0  # seconds from the signal to a closed run


class Training:
    """A training by ``mlflow run`` that is in the midst of it."""

    def __init__(self, person: Person, containers: Callable[[], list[str]]) -> None:
        self.person = person
        values = ["-P", "task=Mnist_B", "-P", f"overrides={LONG}"]
        self.process = person.start(BIN / "mlflow", "run", ".", "-e", "train", *values)
        self.said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if line.startswith("epoch 2/"):
                break
        (self.container,) = containers() or pytest.fail(self.said)

    def journal(self) -> list[dict[str, Any]]:
        (journal,) = (self.person.home / ".local/state/shackdoo/runs").glob("*/journal.jsonl")
        return [json.loads(line) for line in journal.read_text().splitlines()]

    def seconds_until_closed(self, start: float) -> float:
        """Return how long it took until the journal had its end."""
        while time.time() - start < 60:
            ends = [entry for entry in self.journal() if entry["kind"] == "end"]
            if ends:
                assert ends[0]["status"] == "KILLED"
                return ends[0]["time"] / 1000 - start
            time.sleep(0.05)
        raise AssertionError("the run was not closed")

    def wait(self) -> str:
        self.said += self.process.communicate(timeout=60)[0]
        return self.said

    def in_store(self) -> dict[str, Any]:
        return runs_of(f"sqlite:///{self.person.clone / 'mlflow.db'}")[0]

    def losses(self) -> list[float]:
        metrics = [entry["values"] for entry in self.journal() if entry["kind"] == "metrics"]
        return [values["loss"] for values in metrics if "loss" in values]


@pytest.fixture
def training(person: Person, containers: Callable[[], list[str]]) -> Iterator[Training]:
    running = Training(person, containers)
    yield running
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.communicate()
    for container in containers():
        subprocess.run(["docker", "kill", container], capture_output=True)
    assert running.process.stdout is not None
    running.process.stdout.close()


def sync(person: Person) -> tuple[int, str]:
    return person.run("python", "-m", "shackdoo.cli", "sync")


def test_docker_stop_closes_the_run_within_three_seconds(
    training: Training, containers: Callable[[], list[str]]
) -> None:
    start = time.time()
    subprocess.run(["docker", "stop", training.container], check=True, capture_output=True)
    assert training.seconds_until_closed(start) < WITHIN
    assert "stopped; the run is closed as KILLED" in training.wait()
    assert training.process.returncode == 1
    assert containers() == []
    run = training.in_store()
    # MLflow knows two ends only; our tag tells which it was.
    assert (run["status"], run["tags"]["shackdoo.status"]) == ("FAILED", "KILLED")


def test_ctrl_c_closes_the_run(training: Training, containers: Callable[[], list[str]]) -> None:
    start = time.time()
    os.killpg(training.process.pid, signal.SIGINT)  # as a terminal does
    assert training.seconds_until_closed(start) < WITHIN
    training.wait()
    assert containers() == []
    assert training.in_store()["tags"]["shackdoo.status"] == "KILLED"


def test_after_docker_kill_sync_ships_the_rest_from_the_host(
    training: Training, containers: Callable[[], list[str]]
) -> None:
    subprocess.run(["docker", "kill", training.container], check=True, capture_output=True)
    training.wait()
    assert containers() == []
    code, said = sync(training.person)
    assert code == 0, said
    run = training.in_store()
    assert (run["status"], run["tags"]["shackdoo.status"]) == ("KILLED", "KILLED")
    assert run["metrics"]["loss"] == training.losses()[-1]
    assert training.person.not_owned() == []


def test_a_container_whose_mlflow_run_was_killed_is_stopped_by_the_next_command(
    training: Training, containers: Callable[[], list[str]]
) -> None:
    os.kill(training.process.pid, signal.SIGKILL)
    training.process.wait()  # its `docker run` goes on, and holds the pipe
    assert containers() == [training.container]
    code, said = sync(training.person)
    assert code == 0, said
    assert re.search(rf"stopping container {training.container[:12]}", said)
    assert containers() == []
    assert training.in_store()["tags"]["shackdoo.status"] == "KILLED"


def test_a_parameter_that_mlflow_refuses_leaves_no_run_open(person: Person) -> None:
    code, _ = person.mlflow_run("-P", "+model=x", overrides="flows=[fetch_data]")
    assert code == 1
    code, said = sync(person)
    assert code == 0, said
    run = runs_of(f"sqlite:///{person.clone / 'mlflow.db'}")[0]
    assert run["status"] == "FAILED"
    assert "mlflow run refused this run itself" in run["tags"]["shackdoo.error"]


def test_a_script_that_fails_leaves_no_container(
    person: Person, containers: Callable[[], list[str]]
) -> None:
    task_class = "\n\nclass Mnist_Bad(Mnist_B):\n    def fetch_data(self):\n        1 / 0\n"
    append(person.clone / "shackdoo" / "tasks" / "mnist.py", task_class)
    task = "# @package _global_\ndefaults: [Mnist_B, _self_]\ntask:\n"
    task += "  name: Mnist_Bad\n  _target_: shackdoo.tasks.mnist.Mnist_Bad\n"
    Path(person.clone, "conf/task/Mnist_Bad.yaml").write_text(task)
    values = ["-P", "task=Mnist_Bad", "-P", "overrides=flows=[fetch_data]"]
    code, said = person.run(BIN / "mlflow", "run", ".", "-e", "train", *values)
    assert code == 1
    assert "ZeroDivisionError" in said
    run = runs_of(f"sqlite:///{person.clone / 'mlflow.db'}")[0]
    assert (run["status"], run["tags"]["shackdoo.status"]) == ("FAILED", "FAILED")
    assert "traceback.txt" in run["artifacts"]
    assert containers() == []


def test_a_build_that_fails_leaves_no_container_and_no_image(person: Person) -> None:
    dockerfile = person.clone / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("RUN apt-get update", "RUN false", 1))
    before = everything()
    person.environment["IMAGE"] = f"{IMAGE}-broken"
    code, said = person.run("sh", "docker/build.sh")
    assert code == 2
    assert f"The image {IMAGE}-broken was not built; what Docker said stands above." in said
    assert everything() == before


def everything() -> set[str]:
    commands = (["ps", "--all", "--quiet"], ["image", "ls", "--all", "--quiet"])
    said = [subprocess.check_output(["docker", *each], text=True) for each in commands]
    return set(" ".join(said).split())
