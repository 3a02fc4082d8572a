"""Runs by ``mlflow run`` in a container: the code that ran is the code that is recorded."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from persons import Person, append, build
from shared_server import free_port
from store_reader import runs_of

pytestmark = pytest.mark.docker
FETCH = "flows=[fetch_data]"  # the shortest run that has a record
SHORT = "task.parameters.max_steps_per_epoch=5"


def newest(folder: Path) -> dict[str, Any]:
    return runs_of(f"sqlite:///{folder / 'mlflow.db'}")[0]


def commit(person: Person, message: str) -> str:
    person.git("add", "--all")
    person.git("commit", "--quiet", "--message", message)
    return person.git("rev-parse", "HEAD")


def test_a_training_belongs_to_who_started_it_and_gives_the_bits_that_it_gives_outside(
    person: Person,
) -> None:
    code, said = person.mlflow_run(overrides=SHORT)
    assert code == 0, said
    run = newest(person.clone)
    assert run["status"] == "FINISHED"
    assert run["tags"]["shackdoo.code"] == run["tags"]["mlflow.source.git.commit"]
    assert run["tags"]["shackdoo.code"] == person.git("rev-parse", "HEAD")
    assert run["params"]["task.parameters.max_steps_per_epoch"] == "5"
    assert {"config.yaml", "manifest.json", "report"} <= set(run["artifacts"])
    assert list((person.clone / "data" / "model").glob("Mnist_B-*.keras"))
    assert list((person.clone / "data" / "report").glob("Mnist_B-*/report.html"))
    assert person.not_owned() == []
    (manifest,) = (person.home / ".local/state/shackdoo/runs").glob("*/files/manifest.json")
    image = json.loads(manifest.read_text())["environment"]["image"]
    assert image == run["tags"]["mlflow.docker.image.id"]

    code, said = person.train_outside(SHORT)
    assert code == 0, said
    inside = run["tags"]["shackdoo.weights_sha256"]
    assert newest(person.clone)["tags"]["shackdoo.weights_sha256"] == inside


def test_overrides_arrive_as_written_and_nothing_runs_on_the_host(person: Person) -> None:
    note = """two words; $(touch pwned) `touch pwned` "double" & $HOME 日本 > pwned"""
    code, said = person.mlflow_run(overrides=f"{FETCH} '+tags.note={note}'")
    assert code == 0, said
    assert newest(person.clone)["tags"]["note"] == note
    assert list(person.home.rglob("pwned")) == []


def test_a_tree_that_differs_from_its_commit_is_tagged_and_its_difference_is_kept(
    person: Person,
) -> None:
    append(person.clone / "conf" / "task" / "Mnist_B.yaml", "# a remark\n")
    code, said = person.mlflow_run(overrides=FETCH)
    assert code == 0, said
    run = newest(person.clone)
    head = person.git("rev-parse", "HEAD")
    assert run["tags"]["shackdoo.code"] == f"{head}+dirty"
    assert "code.diff" in run["artifacts"]
    assert f"the tree differs from its commit {head[:12]}" in said


def test_the_code_of_a_commit_made_after_the_image_is_run_without_building(person: Person) -> None:
    task_class = '\n\nclass Mnist_Later(Mnist_B):\n    """Made after the image."""\n'
    append(person.clone / "shackdoo" / "tasks" / "mnist.py", task_class)
    task = "# @package _global_\ndefaults: [Mnist_B, _self_]\ntask:\n"
    task += "  name: Mnist_Later\n  _target_: shackdoo.tasks.mnist.Mnist_Later\n"
    (person.clone / "conf" / "task" / "Mnist_Later.yaml").write_text(task)
    head = commit(person, "a later task")
    code, said = person.mlflow_run("-P", "optimizer=adam", overrides=f"{FETCH} task=Mnist_Later")
    assert code == 0, said
    run = newest(person.clone)
    assert run["tags"]["shackdoo.task"] == "Mnist_Later"
    assert run["tags"]["shackdoo.code"] == head


def test_an_image_of_another_recipe_is_refused_with_the_command_that_mends_it(
    person: Person,
) -> None:
    append(person.clone / "Dockerfile", "# another recipe\n")
    commit(person, "another recipe")
    code, said = person.mlflow_run(overrides=FETCH)
    assert code == 1
    assert "The image was made from another Dockerfile, lock file or docker/entrypoint.sh" in said
    assert "make docker-build" in said
    run = newest(person.clone)
    assert run["status"] == "FAILED"
    assert "make docker-build" in run["tags"]["shackdoo.error"]
    assert run["metrics"] == {}


def without_mount(person: Person) -> str:
    project = person.clone / "MLproject"
    text = project.read_text()
    start, end = text.index("  volumes:"), text.index("entry_points:")
    project.write_text(text[:start] + "\n" + text[end:])
    return commit(person, "no tree over the image's code")


def test_code_of_the_image_that_is_not_the_recorded_commit_is_refused(person: Person) -> None:
    head = without_mount(person)
    code, said = person.mlflow_run(overrides=FETCH)
    assert code == 1
    assert f"This run is on record with commit {head[:12]}, but the image's code" in said
    assert "Build the image anew: make docker-build." in said
    assert newest(person.clone)["status"] == "FAILED"


def test_code_of_the_image_is_run_if_it_is_the_recorded_commit(person: Person) -> None:
    head = without_mount(person)
    built = build(person.clone, image="shackdoo-test-own")
    assert built.returncode == 0, built.stderr
    project = person.clone / "MLproject"
    project.write_text(project.read_text().replace("shackdoo-test", "shackdoo-test-own"))
    try:
        code, said = person.mlflow_run(overrides=FETCH)
        assert code == 0, said
        assert newest(person.clone)["tags"]["shackdoo.code"] == head
    finally:
        subprocess.run(["docker", "image", "rm", "shackdoo-test-own"], capture_output=True)


def test_build_image_of_a_dirty_tree_is_tagged(person: Person) -> None:
    append(person.clone / "conf" / "task" / "Mnist_B.yaml", "# a remark\n")
    head = person.git("rev-parse", "HEAD")
    try:
        code, said = person.mlflow_run("--build-image", overrides=FETCH)
        assert code == 0, said
        assert newest(person.clone)["tags"]["shackdoo.code"] == f"{head}+dirty"
    finally:
        name = f"shackdoo-project:{head[:7]}"
        subprocess.run(["docker", "image", "rm", name], capture_output=True)


@pytest.fixture
def git_url(person: Person) -> Iterator[str]:
    """The person's clone, served at a git URL."""
    port = free_port()
    base = [f"--base-path={person.home}", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    daemon = person.start("git", "daemon", "--reuseaddr", *base, cwd=person.home)
    yield f"git://127.0.0.1:{port}/shackdoo"
    daemon.terminate()
    daemon.communicate()


@pytest.mark.parametrize(
    ("version", "build_image"),
    [
        ("commit", True),
        ("branch", False),
        pytest.param("commit", False, marks=pytest.mark.slow),
        pytest.param("branch", True, marks=pytest.mark.slow),
    ],
)
def test_a_git_url_runs_what_it_fetched(
    person: Person, git_url: str, version: str, build_image: bool
) -> None:
    first = person.git("rev-parse", "HEAD")
    person.git("checkout", "--quiet", "-b", "later")
    append(person.clone / "conf" / "task" / "Mnist_B.yaml", "# later\n")
    later = commit(person, "later")
    wanted = {"commit": first, "branch": "later"}[version]
    person.run("mkdir", "elsewhere", cwd=person.home)
    folder = person.home / "elsewhere"
    options = ["--version", wanted, *(["--build-image"] if build_image else [])]
    try:
        code, said = person.mlflow_run(*options, project=git_url, cwd=folder, overrides=FETCH)
        assert code == 0, said
        run = newest(folder)
        ran = {"commit": first, "branch": later}[version]
        assert run["tags"]["shackdoo.code"] == ran == run["tags"]["mlflow.source.git.commit"]
        assert {"config.yaml", "manifest.json"} <= set(run["artifacts"])
    finally:
        for head in (first, later):
            name = f"shackdoo-project:{head[:7]}"
            subprocess.run(["docker", "image", "rm", name], capture_output=True)
    assert person.not_owned() == []


def test_nothing_is_left_running(person: Person, containers: Callable[[], list[str]]) -> None:
    code, said = person.mlflow_run(overrides="flows=[nonsense]")
    assert code == 1
    assert "flows" in said
    assert newest(person.clone)["status"] == "FAILED"
    assert containers() == []
