"""Answers, and the browser's pages, from the image: what make docker-infer and docker-ui run."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from persons import BIN, Person
from PIL import Image, ImageDraw
from shared_server import free_port

pytestmark = pytest.mark.docker
SHORT = "task.parameters.max_steps_per_epoch=5"


@pytest.fixture
def installed(person: Person) -> Person:
    """A person whose clone has the environment that make makes."""
    person.run("ln", "-s", BIN.parent, ".venv")
    return person


def test_a_model_trained_in_the_image_answers_there_about_pictures_outside_the_tree(
    installed: Person,
) -> None:
    person = installed
    person.environment |= {"TASK": "Mnist_B", "ARGS": SHORT}
    code, said = person.run("sh", "docker/run.sh", "train")
    assert code == 0, said
    scans = person.home / "scans; touch pwned $(touch pwned) it's"
    person.run("mkdir", scans)
    person.run("chmod", "777", scans)
    scan = Image.new("L", (28, 28), 255)
    ImageDraw.Draw(scan).line((14, 5, 14, 23), fill=0, width=3)
    scan.save(scans / "one.png")
    person.environment |= {"INPUT": str(scans), "ARGS": "output=data/report/answers.jsonl"}
    code, said = person.run("sh", "docker/run.sh", "infer")
    assert code == 0, said
    (line,) = (person.clone / "data/report/answers.jsonl").read_text().splitlines()
    assert Path(json.loads(line)["input"]).name == "one.png"
    assert [path for path in person.not_owned() if path.parent != scans] == []
    assert list(person.home.rglob("pwned")) == []

    person.environment["ARGS"] = "output=/tmp/answers.jsonl"
    code, said = person.run("sh", "docker/run.sh", "infer")
    assert code == 1
    assert "output=/tmp/answers.jsonl lies inside the container, which goes when the run" in said


def test_with_a_server_the_pages_are_its_own(person: Person) -> None:
    person.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:5000"
    code, said = person.run("sh", "docker/run.sh", "ui")
    assert code == 0
    assert said.splitlines()[-1] == "http://127.0.0.1:5000"


def test_an_input_that_is_not_there_is_told_before_anything_starts(installed: Person) -> None:
    installed.environment |= {"TASK": "Mnist_B", "INPUT": "/nowhere/at/all"}
    code, said = installed.run("sh", "docker/run.sh", "infer")
    assert code == 2
    assert said == "error: There is no /nowhere/at/all on this machine.\n"


def test_infer_without_an_input_is_told(installed: Person) -> None:
    code, said = installed.run("sh", "docker/run.sh", "infer")
    assert code == 2
    assert said.startswith("error: INPUT is missing. make docker-infer INPUT=scans/")


def test_the_pages_are_published_on_this_machine_alone_and_end_with_ctrl_c(
    person: Person, containers: Callable[[], list[str]]
) -> None:
    port = free_port()
    person.environment["UI_PORT"] = str(port)
    process = person.start("sh", "docker/run.sh", "ui")
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("http"):
            break
    assert line.startswith(f"http://127.0.0.1:{port}/#/experiments/"), said
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=10) as answer:
        assert answer.read().decode().startswith("3.17")
    (container,) = containers()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert container not in containers()
    assert person.not_owned() == []
