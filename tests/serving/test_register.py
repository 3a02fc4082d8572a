"""A model's name in the registry: given while it is trained, or afterwards."""

from __future__ import annotations

import json
from typing import Any

from shackdoo.tracking.registry import REGISTERED, find_versions, resolve


def listed(trained: Any) -> Any:
    done = trained.shackdoo("runs", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)
    return run


def test_a_training_registers_its_model(trained: Any) -> None:
    assert resolve("models:/digits@champion", trained.uri) == (trained.run_id, 1)
    run = listed(trained)
    assert run["tags"][REGISTERED] == "digits/1"
    assert {"name": "digits", "version": 1, "aliases": ["champion"]} in run["registered"]
    assert "digits v1 @champion" in trained.shackdoo("runs").stdout


def test_a_version_tells_its_run_and_task(trained: Any) -> None:
    from mlflow import MlflowClient

    version = MlflowClient(trained.uri).get_model_version("digits", "1")
    assert version.tags["shackdoo.run_uid"] == trained.uid
    assert version.tags["shackdoo.task"] == "Named"


def test_a_run_is_registered_afterwards_once_and_its_alias_moves(trained: Any) -> None:
    for name, shown in (
        ("later", "later v1"),
        ("later@trial", "later v1 @trial"),
        ("later@trial", "later v1 @trial"),
        ("later@second", "later v1 @second @trial"),
    ):
        done = trained.shackdoo("register", trained.uid[:8], name)
        assert (done.returncode, done.stdout) == (0, f"{shown}\n"), done.stderr
    assert [str(version) for version in find_versions(trained.uri, name="later")] == [shown]


def test_mistakes_are_told_before_mlflow_is_loaded(trained: Any) -> None:
    for arguments, text in {
        ("latest",): "`shackdoo register` takes RUN and NAME[@ALIAS], not 'latest'.",
        ("latest", "a/b"): "'a/b' must be NAME or NAME@ALIAS (digits@champion): the name may not",
        ("latest", "a@latest"): "the alias 'latest' is reserved: it means a version.",
        ("nobody", "digits"): "No run 'nobody' on this machine or in the store.",
    }.items():
        done = trained.shackdoo("register", *arguments)
        assert done.returncode == 2, done.stdout
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_a_run_without_a_model_is_told(trained: Any, tmp_path: Any) -> None:
    environment = {**trained.environment, "SHACKDOO_STATE": str(tmp_path / "state")}
    elsewhere = type(trained)(**{**vars(trained), "environment": environment})
    done = elsewhere.shackdoo(
        "train",
        "task=Mnist_B",
        "flows=[fetch_data]",
        "tracking.wait=60",
        f"tracking.uri=sqlite:///{tmp_path}/other.db",
    )
    assert done.returncode == 0, done.stderr
    done = elsewhere.shackdoo("register", "latest", "digits")
    assert done.returncode == 2
    assert f"is not in {trained.uri} yet, so its model can't be registered there." in done.stderr
