"""The ``.keras`` file of a run's logged model, fetched from its store and checked.

The store is read without MLflow; MLflow is loaded only to fetch from a server or a remote place.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shackdoo.errors import RequestError, StoreError
from shackdoo.tracking.blobs import copy_whole, file_digest
from shackdoo.tracking.server import ask, fetch
from shackdoo.tracking.store import is_server, shown

KERAS_FILE = "model.keras"
INSIDE = f"artifacts/{KERAS_FILE}"  # where it lies in a logged model
SHA256 = "sha256"  # tag of a logged model: digest of its .keras file
READY = "LOGGED_MODEL_READY"


@dataclass(frozen=True)
class LoggedModel:
    """A model as a store has logged it.

    Attributes:
        model_id: MLflow's.
        location: where its files are, an address.
        sha256: of its ``.keras`` file.
    """

    model_id: str
    location: str
    sha256: str


def download_keras(store_uri: str, mlflow_run_id: str, into: Path) -> Path:
    """Return the ``.keras`` file of a run's logged model, in the folder ``into``.

    A file that is there already and has the recorded content is not fetched again.

    Args:
        store_uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.
        mlflow_run_id: of the run.
        into: made if it is missing; the file in it is whole or absent.

    Raises:
        RequestError: if the run has no logged model.
        StoreError: if the store doesn't give the file, or gives another content than was logged.
    """
    model = find_model(store_uri, mlflow_run_id)
    if model is None:
        raise RequestError(
            f"The run {mlflow_run_id} in {shown(store_uri)} has no logged model. `shackdoo runs "
            f"--json` lists the runs; `shackdoo sync` ships what is not in the store yet."
        )
    target = into / KERAS_FILE
    if not (target.is_file() and file_digest(target) == model.sha256):
        with tempfile.TemporaryDirectory() as scratch:
            file = _fetched(store_uri, f"{model.location}/{INSIDE}", Path(scratch))
            _check(file, model, store_uri)
            copy_whole(file, target)
    return target


def find_model(store_uri: str, mlflow_run_id: str) -> LoggedModel | None:
    """Return the model that shackdoo has logged of a run, the newest; None if there is none.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    if is_server(store_uri):
        return _served(store_uri, mlflow_run_id)
    from shackdoo.tracking.database_models import model_of_run

    return model_of_run(store_uri, mlflow_run_id)


def _served(uri: str, run_id: str) -> LoggedModel | None:
    run = fetch(uri, "runs/get", {"run_id": run_id})["run"]
    query = {
        "experiment_ids": [run["info"]["experiment_id"]],
        "filter": f"source_run_id = '{run_id}'",
    }
    models = ask(uri, "logged-models/search", query).get("models", ())
    for model in sorted(models, key=_created, reverse=True):
        info = model["info"]
        tags = {tag["key"]: tag["value"] for tag in info.get("tags", ())}
        if info.get("status") == READY and SHA256 in tags:
            return LoggedModel(info["model_id"], info["artifact_uri"], tags[SHA256])
    return None


def _created(model: dict[str, dict[str, str]]) -> int:
    return int(model["info"]["creation_timestamp_ms"])


def _fetched(store_uri: str, address: str, scratch: Path) -> Path:
    """Return the file at an address: itself if it is on this machine, else a copy of it."""
    parts = urlsplit(address)
    if parts.scheme in ("", "file"):
        file = Path(unquote(parts.path))
        if not file.is_file():
            raise StoreError(
                f"The model's file {file} is gone, or on the machine that has recorded the run: "
                f"{shown(store_uri)} has its address only."
            )
        return file
    from shackdoo.tracking.artifacts import download

    return download(store_uri, address, scratch)


def _check(file: Path, model: LoggedModel, store_uri: str) -> None:
    if (found := file_digest(file)) != model.sha256:
        raise StoreError(
            f"The model {model.model_id} in {shown(store_uri)} is damaged: its file has the sha256 "
            f"{found[:12]}…, logged was {model.sha256[:12]}…. Nothing was kept of it; "
            f"`shackdoo sync --to` ships the run from the machine that has recorded it."
        )
