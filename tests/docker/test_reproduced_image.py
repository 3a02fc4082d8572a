"""The image of a recorded run, had again, and a run in it that gives the recorded bits."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from persons import Person

from shackdoo.commands.recorded_image import ASK, NAME, docker_command, image_for
from shackdoo.errors import IngredientError

pytestmark = pytest.mark.docker
SHORT = "task.parameters.epochs=1 task.parameters.max_steps_per_epoch=5"
GONE = "sha256:" + "0" * 64
OWN = {"shackdoo"}


@pytest.fixture(scope="module")
def recorded(image: str) -> dict[str, Any]:
    """The environment of a run in the image, as a manifest has it."""
    command = ["docker", "run", "--rm", "--entrypoint", "python3", image, "-c", ASK]
    inside = json.loads(subprocess.check_output(command, text=True))
    asked = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    return {**inside, "image": subprocess.check_output(asked, text=True).strip()}


@pytest.fixture
def rebuilt() -> Iterator[str]:
    """The name of an image that is built for one that is gone; it goes with the test."""
    name = f"{NAME}:{'0' * 12}"
    yield name
    subprocess.run(["docker", "image", "rm", name], capture_output=True)


def silent(text: str) -> None:
    raise AssertionError(text)


def test_an_image_that_is_gone_is_built_from_the_recorded_tree(
    recorded: dict[str, Any], tree: Path, rebuilt: str
) -> None:
    assert image_for(recorded, tree, silent, OWN).id == recorded["image"]
    said: list[str] = []
    ask = {**recorded, "image": GONE}
    first = image_for(ask, tree, said.append, OWN)
    assert first.rebuilt
    assert said == [
        f"building the image {rebuilt} from the recorded tree, since 000000000000 is not here"
    ]
    assert image_for(ask, tree, silent, OWN) == first
    numpy = recorded["packages"]["numpy"]
    other = {**ask, "python": "3.11.99", "packages": {**ask["packages"], "numpy": "0.1"}}
    with pytest.raises(IngredientError) as caught:
        image_for(other, tree, lambda _: None, OWN)
    assert str(caught.value) == (
        f"The image 000000000000 of the run is not on this machine, and what docker/build.sh of "
        f"the recorded tree makes now has other software: Python {recorded['python']} for 3.11.99, "
        f"numpy {numpy} for 0.1. `docker save` where it is and `docker load` here bring it. --here "
        f"runs it in the present environment; `shackdoo diff` then tells what differs."
    )


def test_a_tree_that_builds_no_image_is_told(recorded: dict[str, Any], tmp_path: Path) -> None:
    ask = {**recorded, "image": GONE}
    with pytest.raises(IngredientError) as caught:
        image_for(ask, tmp_path, silent, OWN)
    assert "the recorded tree has no docker/build.sh that makes one." in str(caught.value)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "build.sh").write_text("exit 2\n")
    with pytest.raises(IngredientError) as caught:
        image_for(ask, tmp_path, lambda _: None, OWN)
    assert "docker/build.sh of the recorded tree could not build it" in str(caught.value)


def test_a_run_in_its_image_gives_the_recorded_bits_and_belongs_to_who_starts_it(
    person: Person,
) -> None:
    code, said = person.mlflow_run(overrides=SHORT)
    assert code == 0, said
    state = person.home / ".local/state/shackdoo"
    (first,) = manifests(state)
    image = image_for(first["environment"], person.clone, silent, OWN)
    data = person.clone / "data/raw/mnist.pkl.gz"
    elsewhere = person.home / "elsewhere.gz"
    data.rename(elsewhere)  # as it is where data are linked into a tree
    code, said = person.run("ln", "-s", str(elsewhere), str(data))
    assert code == 0, said
    told = {"SHACKDOO_STATE": str(state), "SHACKDOO_ROOT": str(person.clone), "HOME": "/nowhere"}
    uri = f"sqlite:///{person.clone}/mlflow.db"
    person.environment |= {**told, "HOME": str(person.home), "MLFLOW_TRACKING_URI": uri}
    environment = {**told, "MLFLOW_TRACKING_URI": uri}
    words = ["train", "task=Mnist_B", *SHORT.split(), "tracking.wait=60"]
    command = docker_command(
        image.id, person.clone, state, uri, words, environment, gpus=False, links=[elsewhere]
    )
    note = Path(command[command.index("--cidfile") + 1])
    code, said = person.run(*command)
    assert code == 0, said
    assert note.parent == state / "containers"
    note.unlink()
    (second,) = (each for each in manifests(state) if each["run_uid"] != first["run_uid"])
    assert second["results"]["weights"]["sha256"] == first["results"]["weights"]["sha256"]
    assert second["environment"]["image"] == first["environment"]["image"]
    assert second["code"]["root"] == str(person.clone)
    assert person.not_owned() == []


def manifests(state: Path) -> list[dict[str, Any]]:
    paths = (state / "runs").glob("*/files/manifest.json")
    return [json.loads(path.read_text()) for path in paths]
