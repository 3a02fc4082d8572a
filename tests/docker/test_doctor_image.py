"""What ``shackdoo doctor`` tells of a real engine and of images made for the test."""

from __future__ import annotations

import io
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shackdoo.commands.checkup import containers
from shackdoo.commands.checkup.containers import look_at_docker
from shackdoo.commands.checkup.finding import Finding
from shackdoo.provenance.image import recipe

pytestmark = pytest.mark.docker
Make = Callable[..., None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with what an image is made of."""
    (tmp_path / "docker").mkdir()
    for name in ("Dockerfile", "requirements.lock", "docker/entrypoint.sh"):
        (tmp_path / name).write_text(f"{name}\n")
    return tmp_path


@pytest.fixture
def make_image(monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make an empty image with labels; it goes with the test."""
    try:
        found = subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        pytest.skip("there is no Docker engine")
    name = f"shackdoo-test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(containers, "IMAGE", name)

    def make(**labels: str) -> None:
        changes = [f"--change=LABEL {key.replace('__', '.')}={v}" for key, v in labels.items()]
        command = ["docker", "import", *changes, "-", name]
        subprocess.run(command, input=nothing(), capture_output=True, check=True)

    yield make
    subprocess.run(["docker", "rmi", "--force", name], capture_output=True)


def nothing() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("nothing"))
    return file.getvalue()


def image(tree: Path, has_gpu: bool = False) -> Finding:
    (found,) = (each for each in look_at_docker(tree, has_gpu) if each.subject == "image")
    return found


def test_the_engine_is_told_with_its_version(make_image: Make, tree: Path) -> None:
    found = {each.subject: each for each in look_at_docker(tree, has_gpu=False)}
    assert [found[f"docker {each}"].state for each in ("client", "SDK", "engine")] == ["ok"] * 3
    version = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True
    ).stdout.strip()
    assert found["docker engine"].details["version"] == version


def test_an_image_that_is_not_there_is_to_be_built(make_image: Make, tree: Path) -> None:
    found = image(tree)
    assert (found.state, found.way_out) == ("missing", "make docker-build GPU=0")
    assert image(tree, has_gpu=True).way_out == "make docker-build"


def test_an_image_made_for_the_tree_is_fine_until_the_tree_changes(
    make_image: Make, tree: Path
) -> None:
    made_of = {
        "org__opencontainers__image__revision": "ab" * 20,
        "shackdoo__dirty": "true",
        "shackdoo__requirements": "requirements.lock",
        "shackdoo__recipe": str(recipe(tree, "requirements.lock")),
    }
    make_image(**made_of)
    found = image(tree)
    assert (found.state, found.way_out) == ("ok", None)
    assert found.fact.endswith(
        "CPU, 0 MiB, with code of abababababab+dirty, not the tree's, which a run mounts"
    )
    assert (found.details["commit"], found.details["dirty"]) == ("ab" * 20, True)
    on_a_gpu = image(tree, has_gpu=True)
    assert (on_a_gpu.state, on_a_gpu.way_out) == ("attention", "make docker-build")
    assert on_a_gpu.fact.endswith("; this machine has a GPU")
    (tree / "docker" / "entrypoint.sh").write_text("changed\n")
    found = image(tree)
    assert (found.state, found.way_out) == ("attention", "make docker-build GPU=0")
    assert "another Dockerfile, requirements.lock or docker/entrypoint.sh by now" in found.fact


def test_an_image_that_does_not_say_what_it_was_made_of_is_told(
    make_image: Make, tree: Path
) -> None:
    make_image()
    found = image(tree)
    assert found.state == "attention"
    assert found.fact.endswith("with code of no commit; it does not say what it was made of")
