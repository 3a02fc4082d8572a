"""Names of the registry lead to runs, and runs to the files of their models, on every store."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from stored import only_run

from shackdoo.errors import RequestError, StoreError
from shackdoo.tracking.model_files import download_keras, find_model
from shackdoo.tracking.registry import (
    find_versions,
    registered_names,
    resolve,
)
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.tracker import Model, Tensor

NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]
CONTENT = b"not a real model, but a file with a digest"


@pytest.fixture
def run_id(open_run: Callable[..., Any], every_store: str, experiment: str, tmp_path: Path) -> str:
    """A shipped run with a logged model; the id that the store gave it."""
    folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
    (file := tmp_path / "some.keras").write_bytes(CONTENT)
    tensor = Tensor(None, "float32", (-1, 2))
    tracker.attach(Model(file, (tensor,), (tensor,), ("keras==3.15.1",)))
    tracker.end("FINISHED")
    assert ship(folder, NOTHING).done
    return str(only_run(every_store, experiment).info.run_id)


@pytest.fixture
def name(run_id: str, every_store: str, experiment: str) -> str:
    """A registered model with two versions; the first is the champion."""
    from mlflow import MlflowClient

    client = MlflowClient(every_store)
    name = f"digits {experiment}".replace("[", "-").replace("]", "")
    model = find_model(every_store, run_id)
    assert model is not None
    client.create_registered_model(name)
    served = every_store.startswith("http")
    source = f"models:/{model.model_id}" if served else model.location
    for _ in range(3):
        client.create_model_version(name, source, run_id=run_id, model_id=model.model_id)
    client.delete_model_version(name, "3")
    client.set_registered_model_alias(name, "champion", 1)
    client.set_registered_model_alias(name, "best-yet", 1)
    return name


def test_every_form_of_a_name_leads_to_the_run(name: str, run_id: str, every_store: str) -> None:
    assert resolve(f"models:/{name}@champion", every_store) == (run_id, 1)
    assert resolve(f"models:/{name}/1", every_store) == (run_id, 1)
    assert resolve(f"models:/{name}", every_store) == (run_id, 2)
    assert resolve(f"models:/{name}/latest", every_store) == (run_id, 2)


def test_the_versions_of_a_run_are_found_with_their_aliases(
    name: str, run_id: str, every_store: str
) -> None:
    found = find_versions(every_store, run_ids=[run_id, "another"])
    assert [str(version) for version in found] == [f"{name} v1 @best-yet @champion", f"{name} v2"]
    assert find_versions(every_store, run_ids=["another"]) == []
    assert name in registered_names(every_store)


def test_what_does_not_exist_is_told_with_what_does(name: str, every_store: str) -> None:
    with pytest.raises(RequestError) as caught:
        resolve(f"models:/{name}@champ", every_store)
    assert "Its aliases: best-yet, champion. Did you mean 'champion'?" in str(caught.value)
    with pytest.raises(RequestError, match=r"Its versions: 1, 2\. Give models:/NAME@ALIAS"):
        resolve(f"models:/{name}/3", every_store)
    with pytest.raises(RequestError) as caught:
        resolve(f"models:/{name[:-1]}", every_store)
    assert f"No registered model '{name[:-1]}'" in str(caught.value)
    assert f"Did you mean '{name}'?" in str(caught.value)


@pytest.mark.parametrize("uri", ["models:digits", "models:/", "models:/a/b/c", "models:/it's"])
def test_a_malformed_name_is_told_the_forms(uri: str, store_uri: str) -> None:
    with pytest.raises(RequestError, match=r"names no registered model\. Give models:/NAME@"):
        resolve(uri, store_uri)


def test_a_store_that_does_not_exist_yet_has_no_models(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Known: none"):
        resolve("models:/digits", f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_a_model_comes_as_it_was_logged(
    run_id: str, every_store: str, tmp_path: Path
) -> None:
    file = download_keras(every_store, run_id, tmp_path / "cache")
    assert file.read_bytes() == CONTENT
    assert list(file.parent.iterdir()) == [file]
    written = file.stat().st_mtime_ns
    assert download_keras(every_store, run_id, tmp_path / "cache").stat().st_mtime_ns == written


def test_another_content_is_refused_and_nothing_is_kept(
    run_id: str, every_store: str, tmp_path: Path
) -> None:
    model = find_model(every_store, run_id)
    assert model is not None
    assert model.sha256 == hashlib.sha256(CONTENT).hexdigest()
    if every_store.startswith("http"):
        from mlflow import MlflowClient

        (tmp_path / "artifacts").mkdir()
        (tmp_path / "artifacts" / "model.keras").write_bytes(b"forged")
        MlflowClient(every_store).log_model_artifacts(model.model_id, str(tmp_path))
    else:
        folder = Path(unquote(urlsplit(model.location).path))
        (folder / "artifacts" / "model.keras").write_bytes(b"forged")
    with pytest.raises(StoreError, match="is damaged: its file has the sha256"):
        download_keras(every_store, run_id, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_run_without_a_model_is_told(store_uri: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"The run nobody in sqlite:.* has no logged model\."):
        download_keras(store_uri, "nobody", tmp_path / "cache")


def test_a_file_that_is_not_on_this_machine_is_told(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    folder, tracker = open_run(tracking_uri=store_uri)
    (file := tmp_path / "some.keras").write_bytes(CONTENT)
    tensor = Tensor(None, "float32", (-1, 2))
    tracker.attach(Model(file, (tensor,), (tensor,), ("keras==3.15.1",)))
    tracker.end("FINISHED")
    run_id = ship(folder, NOTHING).mlflow_run_id
    assert run_id is not None
    shutil.rmtree(tmp_path / "mlruns")
    with pytest.raises(StoreError, match="is gone, or on the machine that has recorded the run"):
        download_keras(store_uri, run_id, tmp_path / "cache")


def test_the_registry_is_read_without_mlflow(store_uri: str) -> None:
    code = (
        "import sys; from shackdoo.tracking.registry import registered_names; "
        f"print(registered_names({store_uri!r}), 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
