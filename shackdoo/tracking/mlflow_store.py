"""The MLflow side of the shipper. Every call may be repeated: a resend adds nothing.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Before MLflow is imported: it is the shipper that waits and tries again, and says so.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException

from shackdoo.tracking.journal import Entry
from shackdoo.tracking.limits import FOLDER, MAX_PARAM, MAX_TAG, fit, fit_key

MODEL_CODE = Path(__file__).with_name("keras_model.py")
MODEL_NAME = "model"
DIGEST_LENGTH = 36  # as much of a data set's digest as MLflow's column holds; the tag has all


class MlflowStore:
    """One run in an MLflow store."""

    def __init__(self, header: Entry, run_id: str | None) -> None:
        """Find or create the run of ``header``; ``run_id`` is what an earlier attempt found."""
        self.client = MlflowClient(header["tracking_uri"])
        self.run_id = run_id or header["mlflow_run_id"] or self._find_or_create(header)

    def log(self, entries: Sequence[Entry]) -> None:
        """Log metrics, params and tags of the entries in one batch, at their original times."""
        fitted = [
            (entry, fit(key, value, MAX_PARAM if entry["kind"] == "params" else MAX_TAG))
            for entry in entries
            if entry["kind"] in ("params", "tags")
            for key, value in entry["values"].items()
        ]
        metrics = [
            Metric(fit_key(key), value, entry["time"], entry["step"])
            for entry in entries
            if entry["kind"] == "metrics"
            for key, value in entry["values"].items()
        ]
        params = [Param(v.key, v.value) for entry, v in fitted if entry["kind"] == "params"]
        tags = [RunTag(v.key, v.value) for entry, v in fitted if entry["kind"] == "tags"]
        for _, value in fitted:
            if value.overflow is not None:
                self.client.log_text(self.run_id, value.overflow, f"{FOLDER}/{value.artifact}")
        self.client.log_batch(self.run_id, metrics=metrics, params=params, tags=tags)

    def upload(self, content: Path, name: str, folder: str) -> None:
        """Upload a file as the artifact ``folder/name``."""
        with tempfile.TemporaryDirectory() as scratch:
            named = _named(content, Path(scratch) / name)
            self.client.log_artifact(self.run_id, str(named), folder or None)

    def log_input(self, entry: Entry) -> None:
        """Log a data set as an input of the run, with the digest of the whole file."""
        data = Dataset(
            name=entry["name"],
            digest=entry["sha256"][:DIGEST_LENGTH],
            source_type="local",
            source=f'{{"uri": "{entry["source"]}"}}',
        )
        tags = [
            InputTag("mlflow.data.context", entry["context"]),
            InputTag("sha256", entry["sha256"]),
        ]
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(data, tags)])
        self.client.set_tag(self.run_id, f"shackdoo.data.{entry['name']}", entry["sha256"])

    def log_model(self, entry: Entry, keras_file: Path) -> None:
        """Log the model as an MLflow pyfunc with its own code, signature and requirements."""
        experiment = self.client.get_run(self.run_id).info.experiment_id
        model = self._logged_model(experiment, entry["sha256"])
        if model.status == LoggedModelStatus.READY:
            return
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / MODEL_NAME
            _save_pyfunc(entry, keras_file, folder, model, self.run_id)
            self.client.log_model_artifacts(model.model_id, str(folder))
        self.client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step=0)])
        self.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)

    def _logged_model(self, experiment: str, sha256: str) -> Any:
        """Return the run's model with this content; create it if an earlier attempt did not."""
        found = self.client.search_logged_models(
            [experiment], filter_string=f"source_run_id = '{self.run_id}'"
        )
        same = [model for model in found if model.tags.get("sha256") == sha256]
        return (
            same[0]
            if same
            else self.client.create_logged_model(
                experiment, name=MODEL_NAME, source_run_id=self.run_id, tags={"sha256": sha256}
            )
        )

    def end(self, status: str, time: int) -> None:
        """Set the run's status and the time at which it ended."""
        self.client.set_terminated(self.run_id, status=status, end_time=time)

    def _find_or_create(self, header: Entry) -> str:
        experiment = self._experiment(header)
        uid = header["run_uid"]
        found = self.client.search_runs([experiment], f"tags.`shackdoo.run_uid` = '{uid}'")
        if found:
            return str(found[0].info.run_id)
        tags = {
            "mlflow.user": header["user"],
            "mlflow.source.name": header["source"],
            "mlflow.source.type": "LOCAL",
            "shackdoo.run_uid": uid,
        }
        run = self.client.create_run(
            experiment, start_time=header["start_time"], tags=tags, run_name=header["run_name"]
        )
        return str(run.info.run_id)

    def _experiment(self, header: Entry) -> str:
        name = header["experiment"]
        if (found := self.client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name, _artifact_location(header)))
        except MlflowException:  # another run of this machine was faster
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)


def _artifact_location(header: Entry) -> str | None:
    """Return where a new experiment's artifacts go: a server knows; else under the project.

    MLflow's own choice for a database without a server is the present working directory.
    """
    if header["tracking_uri"].startswith("http"):
        return None
    return (Path(header["project_root"]) / "mlruns" / quote(header["experiment"], "")).as_uri()


def _save_pyfunc(entry: Entry, keras_file: Path, folder: Path, model: Any, run_id: str) -> None:
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(tensors: list[Entry]) -> Schema:
        return Schema([TensorSpec(np.dtype(t["dtype"]), t["shape"], t["name"]) for t in tensors])

    named = _named(keras_file, folder.parent / "model.keras")
    mlflow.pyfunc.save_model(
        path=str(folder),
        python_model=str(MODEL_CODE),
        artifacts={"model": str(named)},
        signature=ModelSignature(schema(entry["inputs"]), schema(entry["outputs"])),
        pip_requirements=[f"mlflow=={mlflow.__version__}", *entry["requirements"]],
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=run_id,
            model_id=model.model_id,
        ),
    )


def _named(content: Path, name: Path) -> Path:
    """Return the content under another name: MLflow names an artifact after its file."""
    try:
        name.hardlink_to(content)
    except OSError:  # another file system
        shutil.copyfile(content, name)
    return name
