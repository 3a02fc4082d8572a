"""A trained model in MLflow: a pyfunc that loads with its own code and pinned packages.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.tracking.mlflow_client import MlflowClient  # first: it sets MLflow up

# isort: split
import mlflow
import mlflow.artifacts
import mlflow.pyfunc
import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from shackdoo.tracking.blobs import file_digest, named_copy
from shackdoo.tracking.journal import Entry
from shackdoo.tracking.model_files import KERAS_FILE, LoggedModel
from shackdoo.tracking.tracker import TEXT

MODEL_CODE = Path(__file__).with_name("keras_model.py")
MODEL_NAME = "model"
TASK_FILE = "task.json"  # in the zip of a model's code
KINDS = {"b": DataType.boolean, "i": DataType.long, "u": DataType.long}
SERVED_CODE = "shackdoo/served_model.py"  # likewise: what MLflow loads


def log_model(
    client: MlflowClient, run_id: str, entry: Entry, keras_file: Path, code: Path | None
) -> LoggedModel:
    """Log a ``.keras`` file as a model of the run; a second time adds nothing.

    Args:
        client: of the store.
        run_id: of the run there.
        entry: of the journal.
        keras_file: the model.
        code: zip of the code that it is to be served with, None for the bare Keras model.

    Raises:
        OSError: if what the store has now is not what was sent.
    """
    experiment = client.get_run(run_id).info.experiment_id
    model = _logged_model(client, experiment, run_id, entry["sha256"])
    logged = LoggedModel(model.model_id, model.artifact_location, entry["sha256"])
    if model.status == LoggedModelStatus.READY:
        return logged
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / MODEL_NAME
        parts = _bare(entry) if code is None else _of_task(entry, code, Path(scratch) / "code")
        _save_pyfunc(parts, entry, keras_file, folder, model, run_id)
        client.log_model_artifacts(model.model_id, str(folder))
        _check_arrived(client, model, folder, Path(scratch) / "back")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return logged


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


@dataclass(frozen=True)
class _Parts:
    """What differs between a bare Keras model and one that is served by its task."""

    model_code: Path
    signature: ModelSignature
    code_paths: list[str] | None
    artifacts: dict[str, str]


def _bare(entry: Entry) -> _Parts:
    signature = ModelSignature(_schema(entry["inputs"]), _schema(entry["outputs"]))
    return _Parts(MODEL_CODE, signature, None, {})


def _of_task(entry: Entry, code: Path, folder: Path) -> _Parts:
    """Unpack the code; the model's own is in it, as it was when the model was trained."""
    with zipfile.ZipFile(code) as archive:
        archive.extractall(folder)
    description = (folder / TASK_FILE).rename(folder.with_name(TASK_FILE))
    paths = [str(path) for path in sorted(folder.iterdir())]
    return _Parts(folder / SERVED_CODE, _raw_signature(entry), paths, {"task": str(description)})


def _raw_signature(entry: Entry) -> ModelSignature:
    """Return a signature of raw inputs, of which each may have another shape.

    For MLflow an object of the shape (-1,) is just that: it hands over whatever comes, so that
    the task can say what is wrong with it, and does not convert it before.
    """
    names = [tensor["name"] for tensor in entry["inputs"]]
    inputs = Schema([TensorSpec(np.dtype(object), (-1,), name) for name in names])
    answers = entry["answers"] or {}
    columns = [ColSpec(_column_type(kind), name) for name, kind in answers.items()]
    return ModelSignature(inputs, Schema(columns) if columns else None)


def _column_type(kind: str) -> DataType:
    if kind == TEXT:
        return DataType.string
    dtype = np.dtype(kind)
    if dtype.kind in KINDS:
        return KINDS[dtype.kind]
    return DataType.float if dtype.itemsize <= np.dtype(np.float32).itemsize else DataType.double


def _save_pyfunc(
    parts: _Parts, entry: Entry, keras_file: Path, folder: Path, model: Any, run_id: str
) -> None:
    named = named_copy(keras_file, folder.parent / KERAS_FILE)
    mlflow.pyfunc.save_model(
        path=str(folder),
        python_model=str(parts.model_code),
        artifacts={"model": str(named), **parts.artifacts},
        code_paths=parts.code_paths,
        signature=parts.signature,
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
