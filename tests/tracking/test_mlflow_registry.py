"""A model is registered once, whatever happens to its shipper, on every store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from stored import only_run

from shackdoo.tracking.model_files import find_model
from shackdoo.tracking.registry import REGISTERED, find_versions
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import shipping_file
from shackdoo.tracking.tracker import Model, Tensor

NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]


@pytest.fixture
def name(experiment: str) -> str:
    return f"digits {experiment}".replace("[", "-").replace("]", "")


@pytest.fixture
def train(
    open_run: Callable[..., Any], every_store: str, experiment: str, tmp_path: Path
) -> Callable[[str], Path]:
    """Record a run whose model is to be registered; return its folder."""

    def record(register: str) -> Path:
        folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
        (file := tmp_path / "some.keras").write_bytes(folder.name.encode())
        tensor = Tensor(None, "float32", (-1, 2))
        pins = ("keras==3.15.1",)
        tracker.tags({"shackdoo.task": "Mnist_B"})
        tracker.attach(Model(file, (tensor,), (tensor,), pins, register=register))
        tracker.end("FINISHED")
        return Path(folder)

    return record


def shown(uri: str, name: str) -> list[str]:
    return [str(version).removeprefix(name) for version in find_versions(uri, name=name)]


def test_a_run_s_model_is_registered_with_its_alias(
    train: Callable[[str], Path], every_store: str, experiment: str, name: str
) -> None:
    folder = train(f"{name}@champion")
    assert ship(folder, NOTHING).done
    run = only_run(every_store, experiment)
    assert run.data.tags[REGISTERED] == f"{name}/1"
    assert shown(every_store, name) == [" v1 @champion"]
    version = MlflowClient(every_store).get_model_version(name, "1")
    assert version.run_id == run.info.run_id
    assert version.tags["shackdoo.run_uid"] == folder.name
    assert version.tags["shackdoo.task"] == "Mnist_B"


def test_the_alias_goes_to_the_newest_and_a_resend_does_not_take_it_back(
    train: Callable[[str], Path], every_store: str, name: str
) -> None:
    first, second = train(f"{name}@champion"), train(f"{name}@champion")
    for folder in (first, second, first):
        (folder / shipping_file()).unlink(missing_ok=True)  # as if the cursor had been lost
        assert ship(folder, NOTHING).done
    assert shown(every_store, name) == [" v1", " v2 @champion"]


def test_what_a_killed_shipper_left_half_done_is_finished(
    train: Callable[[str], Path], every_store: str, name: str
) -> None:
    folder = train(f"{name}@champion")
    run_id = ship(folder, NOTHING).mlflow_run_id
    assert run_id is not None
    client = MlflowClient(every_store)
    client.delete_registered_model_alias(name, "champion")
    client.delete_model_version_tag(name, "1", "shackdoo.alias")  # killed before the alias was set
    (folder / shipping_file()).unlink()
    assert ship(folder, NOTHING).done
    assert shown(every_store, name) == [" v1 @champion"]
    assert find_model(every_store, run_id) is not None


def test_a_name_without_an_alias_is_a_version_only(
    train: Callable[[str], Path], every_store: str, name: str
) -> None:
    assert ship(train(name), NOTHING).done
    assert shown(every_store, name) == [" v1"]


def test_what_the_registry_refuses_for_good_holds_nothing_up(
    train: Callable[[str], Path], every_store: str, experiment: str, name: str
) -> None:
    name = name.replace(" ", "-")
    MlflowClient(every_store).register_prompt(name=name, template="a prompt has this name")
    assert ship(train(name), NOTHING).done
    run = only_run(every_store, experiment)
    assert run.info.status == "FINISHED"
    refused = run.data.tags["shackdoo.register_refused"]
    assert refused.startswith(f"{name}: ")
    assert "already taken by a prompt" in refused
