"""The image: what it says of itself, what is in its layers, and what a change of code costs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from persons import Person, append, build, git

from shackdoo.provenance.image import recipe

pytestmark = pytest.mark.docker
SECRET = "the-words-of-a-secret-nobody-may-see"
PRIVATE = (
    *(".env", ".env.production", "conf/local/default.yaml", "conf/local/server.env"),
    *("id_rsa", "data/raw/patients.npz", "data/model/mine.keras", "mlflow.db", "backups/all.tar"),
    *(".venv/pyvenv.cfg", "mlruns/0/meta.yaml", "notebooks/private.ipynb"),
)


def inspected(image: str) -> dict:
    said = subprocess.check_output(["docker", "image", "inspect", image], text=True)
    return json.loads(said)[0]


def files_of_layers(image: str) -> list[tuple[str, bytes]]:
    """Return name and content of every file in every layer beside the packages and the system."""
    found: list[tuple[str, bytes]] = []
    with (
        subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving,
        tarfile.open(fileobj=saving.stdout, mode="r|") as archive,
    ):
        for member in archive:
            # layer.tar until Docker 24, blobs since; those hold descriptions in JSON as well
            if member.name.endswith("/layer.tar") or member.name.startswith("blobs/sha256/"):
                with contextlib.suppress(tarfile.ReadError):
                    found += files_of_layer(archive.extractfile(member))
    return found


def files_of_layer(content: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=content, mode="r|") as layer:
        for file in layer:
            ours = file.isfile() and not file.name.startswith(("usr/", "mlflow/venv/", "var/lib/"))
            yield file.name, layer.extractfile(file).read() if ours else b""


def test_no_layer_has_anything_private(person: Person) -> None:
    for name in PRIVATE:
        path = person.clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    image = "shackdoo-test-layers"
    built = build(person.clone, image=image)
    assert built.returncode == 0, built.stderr
    history = ["docker", "history", "--no-trunc", image]
    try:
        assert SECRET not in subprocess.check_output(history, text=True)
        files = files_of_layers(image)
    finally:
        subprocess.run(["docker", "image", "rm", image], capture_output=True)
    code = {name.removeprefix("mlflow/projects/code/"): content for name, content in files}
    assert "shackdoo/task.py" in code
    assert len(code["data/raw/mnist.pkl.gz"]) > 1_000_000
    assert not [name for name, _ in files if "/.git/" in name or name.endswith("/.git")]
    assert not set(PRIVATE) & set(code)
    assert not [name for name, content in files if SECRET.encode() in content]


def test_labels_tell_commit_recipe_and_packages(tree: Path, image: str) -> None:
    labels = inspected(image)["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == git(tree, "rev-parse", "HEAD")
    assert labels["shackdoo.dirty"] == "false"
    assert labels["shackdoo.requirements"] == "requirements.lock"
    assert labels["shackdoo.recipe"] == recipe(tree, "requirements.lock")


def test_a_dirty_tree_is_labelled_and_only_its_code_is_built_anew(person: Person) -> None:
    before = inspected("shackdoo-test")
    append(person.clone / "shackdoo" / "tasks" / "ink.py", "# a remark\n")
    image = "shackdoo-test-dirty"
    built = build(person.clone, image=image)
    assert built.returncode == 0, built.stderr
    try:
        after = inspected(image)
    finally:
        subprocess.run(["docker", "image", "rm", image], capture_output=True)
    assert after["Config"]["Labels"]["shackdoo.dirty"] == "true"
    old, new = (each["RootFS"]["Layers"] for each in (before, after))
    assert old[:-1] == new[:-1]
    assert old[-1] != new[-1]


def test_an_image_of_the_same_recipe_is_not_built_again(person: Person, image: str) -> None:
    append(person.clone / "shackdoo" / "tasks" / "ink.py", "# a remark\n")
    before = inspected(image)["Id"]
    code, said = person.run("sh", "docker/build.sh", "--if-needed")
    assert (code, said) == (0, "")
    assert inspected(image)["Id"] == before


def test_without_a_tree_over_it_the_image_runs_its_own_code_as_a_user_of_its_own(
    image: str,
) -> None:
    script = "id -un; pwd; shackdoo --version; test -w data/model && echo writable"
    command = ["docker", "run", "--rm", image, "sh", "-c", script]
    said = subprocess.check_output(command, text=True).splitlines()
    assert (said[0], said[1], said[3]) == ("shackdoo", "/mlflow/projects/code", "writable")


def test_any_user_id_will_do(image: str) -> None:
    command = ["docker", "run", "--rm", "--user", "54321:54321", image]
    command += ["shackdoo", "train", "task=Mnist_B", "tracking=off", "--cfg", "job"]
    assert "name: Mnist_B" in subprocess.check_output(command, text=True)


def test_without_an_engine_the_way_out_is_named(person: Person) -> None:
    person.environment["DOCKER_HOST"] = "unix:///nowhere.sock"
    code, said = person.run("sh", "docker/build.sh")
    assert code == 2
    assert "error: The Docker engine can't be used:" in said
    assert "without it: make train" in said


def test_a_shell_in_the_image_is_the_owners(person: Person) -> None:
    command = person.command("sh", "docker/run.sh", "shell")
    script = "id -u; pwd; touch made-inside; shackdoo train task=Mnist_B flows=[fetch_data]\n"
    done = subprocess.run(
        command, cwd=person.clone, env=person.environment, input=script, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    uid, folder = done.stdout.splitlines()[:2]
    assert (int(uid), Path(folder)) == (person.home.stat().st_uid, person.clone)
    assert (person.clone / "made-inside").exists()
    assert person.not_owned() == []
