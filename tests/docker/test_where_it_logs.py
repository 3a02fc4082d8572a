"""Where a run in a container logs, and what is said when it can't."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from persons import BIN, Person
from shared_server import SharedServer
from store_reader import runs_of

pytestmark = pytest.mark.docker
FETCH = "flows=[fetch_data]"


def test_a_server_with_a_login_on_this_machine_under_plain_mlflow_run(
    person: Person, server: SharedServer
) -> None:
    login = server.login()
    person.environment |= login
    code, said = person.mlflow_run(overrides=FETCH)
    assert code == 0, said
    assert login["MLFLOW_TRACKING_PASSWORD"] not in said
    uri = login["MLFLOW_TRACKING_URI"]
    names = {name: value for name, value in login.items() if not name.endswith("URI")}
    run = runs_of(uri, **names)[0]
    assert run["status"] == "FINISHED"
    assert {"config.yaml", "manifest.json"} <= set(run["artifacts"])
    assert login["MLFLOW_TRACKING_PASSWORD"] not in json.dumps(run)
    assert person.not_owned() == []
    for path in (person.home / ".local").rglob("*"):
        if path.is_file():
            assert login["MLFLOW_TRACKING_PASSWORD"].encode() not in path.read_bytes(), path


def test_make_uses_the_shared_server_when_it_is_up_and_sqlite_otherwise(
    person: Person, server: SharedServer
) -> None:
    person.environment |= {"SERVER_CONFIG": str(server.config), "ARGS": FETCH, "TASK": "Mnist_B"}
    command = ["python", "scripts/with_server.py", "--export", "sh", "docker/run.sh", "train"]
    person.run("ln", "-s", BIN.parent, ".venv")
    code, said = person.run(*command)
    assert code == 0, said
    uri = server.login()["MLFLOW_TRACKING_URI"]
    assert f"tracking  {uri}" in said
    assert "device    CPU, since GPU=0" in said
    names = {k: v for k, v in server.login().items() if not k.endswith("URI")}
    assert runs_of(uri, **names)[0]["experiment"] == "mnist"

    person.environment["SERVER_CONFIG"] = str(person.home)  # where no server has been
    code, said = person.run(*command)
    assert code == 0, said
    assert f"tracking  sqlite:///{person.clone}/mlflow.db" in said
    run = runs_of(f"sqlite:///{person.clone / 'mlflow.db'}")[0]
    assert (run["experiment"], run["status"]) == ("mnist", "FINISHED")
    assert person.not_owned() == []


def test_make_finds_a_mistake_before_anything_is_started(person: Person) -> None:
    person.environment |= {"ARGS": "task.parameters.epoch=3", "TASK": "Mnist_B"}
    person.run("ln", "-s", BIN.parent, ".venv")
    code, said = person.run("sh", "docker/run.sh", "train")
    assert code == 2
    assert "epoch" in said
    assert "mlflow.projects" not in said
    assert runs_of(f"sqlite:///{person.clone / 'mlflow.db'}") == []


def test_a_relative_sqlite_address_is_refused_at_once(person: Person) -> None:
    name = f"{uuid.uuid4().hex}.db"
    person.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{name}"
    code, said = person.mlflow_run(overrides=FETCH)
    assert code == 1
    assert (
        f"error: MLFLOW_TRACKING_URI is 'sqlite:///{name}', a relative path, which is another "
        "file inside the container. Write it from the root, with four slashes: "
        f"sqlite:///{person.clone}/{name}" in said
    )
    assert not Path("/", name).exists()  # as Docker makes it of a relative path
    run = runs_of(f"sqlite:///{person.clone / name}")[0]
    assert run["status"] == "FAILED"


def test_a_name_that_the_server_refuses_is_told_at_once(
    person: Person, server: SharedServer
) -> None:
    code, said = person.run(
        *("python", "-m", "shackdoo.cli", "train", "task=Mnist_B", FETCH),
        *("tracking.required=true", f"tracking.uri=http://127.1:{server.port}"),
    )
    assert code == 2
    assert "it answers 403: Invalid Host header" in said
    assert "--allowed-hosts 127.1" in said


def test_a_store_in_another_folder_and_a_project_with_a_space_in_its_path(
    person: Person,
) -> None:
    person.run("mkdir", "store", cwd=person.home)
    person.run("mv", "shackdoo", "my project", cwd=person.home)
    store = person.home / "store" / "runs.db"
    person.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}"
    code, said = person.mlflow_run(
        project=person.home / "my project", cwd=person.home / "store", overrides=FETCH
    )
    assert code == 0, said
    run = runs_of(f"sqlite:///{store}")[0]
    assert run["status"] == "FINISHED"
    assert "manifest.json" in run["artifacts"]
    assert person.not_owned() == []


def test_a_linked_worktree_knows_its_commit(person: Person) -> None:
    person.git("worktree", "add", "--quiet", "../linked")
    linked = person.home / "linked"
    code, said = person.mlflow_run(project=linked, cwd=linked, overrides=FETCH)
    assert code == 0, said
    run = runs_of(f"sqlite:///{linked / 'mlflow.db'}")[0]
    assert run["tags"]["shackdoo.code"] == person.git("rev-parse", "HEAD")


def test_what_is_on_the_command_line_of_docker_has_no_password(
    person: Person, server: SharedServer
) -> None:
    login = server.login()
    person.environment |= login
    words = ["project", "git", "state", "store", "environment", "container", "options"]
    for word in words:
        code, said = person.run("sh", "-c", f"sh docker/host.sh {word} $$")
        assert code == 0, said
        assert login["MLFLOW_TRACKING_PASSWORD"] not in said
    (file,) = (person.home / ".local/state/shackdoo/containers").glob("*.env")
    written = file.read_text()
    assert "MLFLOW_TRACKING_PASSWORD\n" in written
    assert login["MLFLOW_TRACKING_PASSWORD"] not in written
