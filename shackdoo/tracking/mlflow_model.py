"""A trained model in MLflow: a pyfunc that loads with its own code and pinned packages.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mlflow
import mlflow.artifacts
import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from shackdoo.tracking.blobs import file_digest, named_copy
from shackdoo.tracking.journal import Entry

MODEL_CODE = Path(__file__).with_name("keras_model.py")
MODEL_NAME = "model"


def log_model(client: MlflowClient, run_id: str, entry: Entry, keras_file: Path) -> None:
    """Log a ``.keras`` file as a model of the run; a second time adds nothing.

    Raises:
        OSError: if what the store has now is not what was sent.
    """
    experiment = client.get_run(run_id).info.experiment_id
    model = _logged_model(client, experiment, run_id, entry["sha256"])
    if model.status == LoggedModelStatus.READY:
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / MODEL_NAME
        _save_pyfunc(entry, keras_file, folder, model, run_id)
        client.log_model_artifacts(model.model_id, str(folder))
        _check_arrived(client, model, folder, Path(scratch) / "back")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _logged_model(client: MlflowClient, experiment: str, run_id: str, sha256: str) -> Any:
    """Return the run's model with this content; create it if an earlier attempt did not."""
    found = client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'")
    same = [model for model in found if model.tags.get("sha256") == sha256]
    return (
        same[0]
        if same
        else client.create_logged_model(
            experiment, name=MODEL_NAME, source_run_id=run_id, tags={"sha256": sha256}
        )
    )


def _save_pyfunc(entry: Entry, keras_file: Path, folder: Path, model: Any, run_id: str) -> None:
    named = named_copy(keras_file, folder.parent / "model.keras")
    mlflow.pyfunc.save_model(
        path=str(folder),
        python_model=str(MODEL_CODE),
        artifacts={"model": str(named)},
        signature=ModelSignature(_schema(entry["inputs"]), _schema(entry["outputs"])),
        pip_requirements=[f"mlflow=={mlflow.__version__}", *entry["requirements"]],
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=run_id,
            model_id=model.model_id,
        ),
    )


def _schema(tensors: list[Entry]) -> Schema:
    return Schema([TensorSpec(np.dtype(t["dtype"]), t["shape"], t["name"]) for t in tensors])


def _check_arrived(client: MlflowClient, model: Any, sent: Path, scratch: Path) -> None:
    scratch.mkdir()
    back = Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=model.artifact_location,
            dst_path=str(scratch),
            tracking_uri=client.tracking_uri,
        )
    )
    if _digests(sent) != _digests(back):
        raise OSError("the store has another content of the model than was sent")


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in folder.rglob("*")
        if path.is_file()
    }
