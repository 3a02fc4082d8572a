"""A training in a container that was killed goes on in the next one, to the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from persons import BIN, Person
from store_reader import runs_of

pytestmark = pytest.mark.docker
REQUEST = "task.parameters.epochs=12 task.parameters.max_steps_per_epoch=60 checkpoint.seconds=0.2"


def test_killed_in_a_container_and_resumed_in_another(
    person: Person, containers: Callable[[], list[str]]
) -> None:
    started = person.start(
        BIN / "mlflow",
        "run",
        ".",
        "-e",
        "train",
        "-P",
        "task=Mnist_B",
        "-P",
        f"overrides={REQUEST}",
    )
    assert started.stdout is not None
    said = ""
    for line in started.stdout:
        said += line
        if line.startswith("epoch 3/"):
            break
    (container,) = containers() or pytest.fail(said)
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    os.killpg(started.pid, signal.SIGINT)
    started.communicate(timeout=60)
    code, said = person.mlflow_run(overrides=f"{REQUEST} resume=auto")
    assert code == 0, said
    assert "goes on after step " in said
    code, outside = person.train_outside(*REQUEST.split())
    assert code == 0, outside
    runs = runs_of(f"sqlite:///{person.clone / 'mlflow.db'}")
    trained = [run for run in runs if "shackdoo.weights_sha256" in run["tags"]]
    (resumed,) = (run for run in trained if run["tags"].get("shackdoo.resumes") == "1")
    (never_stopped,) = (run for run in trained if run is not resumed)
    weights = "shackdoo.weights_sha256"
    assert resumed["tags"][weights] == never_stopped["tags"][weights]
    assert resumed["status"] == "FINISHED"
    (pointer,) = (run for run in runs if run["tags"].get("shackdoo.kind") == "resume")
    assert pointer["tags"]["shackdoo.resumed_run"] == resumed["tags"]["shackdoo.run_uid"]
    assert pointer["status"] == "FINISHED"
    assert containers() == []
