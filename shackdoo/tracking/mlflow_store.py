"""The MLflow side of the shipper. Every call may be repeated: a resend adds nothing.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shackdoo.tracking.mlflow_client import MlflowClient  # first: it sets MLflow up

# isort: split
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from shackdoo.config.registered_name import RegisteredName, parse_registered_name
from shackdoo.tracking.blobs import file_digest, named_copy
from shackdoo.tracking.experiment_page import page_tags
from shackdoo.tracking.journal import Entry
from shackdoo.tracking.limits import FOLDER, MAX_PARAM, MAX_TAG, Fitted, fit, fit_key
from shackdoo.tracking.listing import PARENT_UID, RUN_UID, STATUS
from shackdoo.tracking.mlflow_database import make_database
from shackdoo.tracking.model_files import LoggedModel
from shackdoo.tracking.shipping import RunDeletedError
from shackdoo.tracking.store import sqlite_file

DIGEST_LENGTH = 36  # as much of a data set's digest as MLflow's column holds; the tag has all
SERVER_FAILS = 500  # HTTP statuses from here on may pass
REFUSED_NAME = "shackdoo.register_refused"  # tag
REFUSED = "refused"  # folder of what the store does not take as it is


class MlflowStore:
    """One run in an MLflow store.

    Attributes:
        client: talks to the store.
        run_id: of the run there.
    """

    def __init__(self, header: Entry, to: str | None, run_id: str | None) -> None:
        """Find the run of ``header``, or create it.

        Args:
            header: first entry of the run's journal.
            to: address of the store; None for the run's own.
            run_id: what an earlier attempt found, or None.

        Raises:
            RunDeletedError: if somebody has deleted the run there.
        """
        self.address = to or header["tracking_uri"]
        if (file := sqlite_file(self.address)) is not None:
            make_database(file)
        self.client = MlflowClient(self.address)
        joined = header["mlflow_run_id"] if to is None else None
        known = run_id if run_id is not None and self._is_there(run_id) else None
        self.run_id: str = known or joined or self._find_or_create(header)

    def begin(self, header: Entry, parent_expected: bool) -> None:
        """Mark the run with its uid, and as a part of its parent.

        Raises:
            LookupError: if the parent is expected in the store and is not there yet.
        """
        self.client.set_tag(self.run_id, RUN_UID, header["run_uid"])
        if (uid := header["parent_uid"]) is None:
            return
        self.client.set_tag(self.run_id, PARENT_UID, uid)
        parent = self._find(uid, [each.experiment_id for each in self._experiments()])
        if parent is not None:
            self.client.set_tag(self.run_id, "mlflow.parentRunId", parent)
        elif parent_expected:
            raise LookupError(f"the run {uid}, of which this is a part, is not in the store yet")

    def log(self, entries: Sequence[Entry]) -> None:
        """Log metrics, params and tags of the entries in one batch, at their original times."""
        self._send(
            [
                self._item(entry, key, value)
                for entry in entries
                for key, value in entry["values"].items()
            ]
        )

    def tag_other(self, uid: str, values: Mapping[str, str]) -> None:
        """Set tags of another run of the store, if it is there."""
        run_id = self._find(uid, [each.experiment_id for each in self._experiments()])
        if run_id is None:
            return
        try:
            for name, value in values.items():
                self.client.set_tag(run_id, name, value)
        except MlflowException as error:
            if error.get_http_status_code() >= SERVER_FAILS:
                raise
            print(f"the run {uid} is not tagged: {error}", file=sys.stderr, flush=True)

    def upload(self, content: Path, name: str, folder: str) -> None:
        """Upload a file as the artifact ``folder/name``, and see that it has arrived whole.

        Raises:
            OSError: if what the store has now is something else.
        """
        with tempfile.TemporaryDirectory() as scratch:
            named = named_copy(content, Path(scratch) / name)
            self.client.log_artifact(self.run_id, str(named), folder or None)
        with tempfile.TemporaryDirectory() as scratch:
            path = f"{folder}/{name}" if folder else name
            back = self.client.download_artifacts(self.run_id, path, scratch)
            check_arrived(content, Path(back), path)

    def log_input(self, entry: Entry) -> None:
        """Log a data set as an input of the run, with the digest of the whole file."""
        data = Dataset(
            name=entry["name"],
            digest=entry["sha256"][:DIGEST_LENGTH],
            source_type="local",
            source=json.dumps({"uri": entry["source"]}, ensure_ascii=False),
        )
        tags = [
            InputTag("mlflow.data.context", entry["context"]),
            InputTag("sha256", entry["sha256"]),
        ]
        self.client.log_inputs(self.run_id, datasets=[DatasetInput(data, tags)])
        self.client.set_tag(self.run_id, fit_key(f"shackdoo.data.{entry['name']}"), entry["sha256"])

    def log_model(self, entry: Entry, keras_file: Path, code: Path | None) -> None:
        """Log the model as an MLflow pyfunc with its own code, signature and requirements."""
        with warnings.catch_warnings():
            # Advice on examples and type hints; the signature is recorded without them.
            warnings.simplefilter("ignore")
            from shackdoo.tracking.mlflow_model import log_model

            model = log_model(self.client, self.run_id, entry, keras_file, code)
        if wanted := entry.get("register"):
            self._register(model, parse_registered_name(wanted))

    def _register(self, model: LoggedModel, wanted: RegisteredName) -> None:
        """Register the model; what the registry refuses for good is told in a tag."""
        from shackdoo.tracking.mlflow_registry import (
            RegistryRefusedError,
            ToRegister,
            register_once,
        )

        asked = ToRegister(self.run_id, model.model_id, model.location, wanted.name, wanted.alias)
        try:
            register_once(registry_client(self.address), asked)
        except RegistryRefusedError as error:
            text = fit(REFUSED_NAME, f"{wanted}: {error}", MAX_TAG).value
            self.client.set_tag(self.run_id, REFUSED_NAME, text)

    def end(self, status: str, time: int) -> None:
        """Set the run's status and the time at which it ended.

        The tag stays when ``mlflow run`` overwrites the status.
        """
        self.client.set_tag(self.run_id, STATUS, status)
        self.client.set_terminated(self.run_id, status=status, end_time=time)

    def resume(self) -> None:
        """Set the status of a run that goes on after its end."""
        self.client.update_run(self.run_id, status="RUNNING")

    # ── numbers and texts ────────────────────────────────────────────────────────────────────

    def _item(self, entry: Entry, key: str, value: Any) -> Any:
        if entry["kind"] == "metrics":
            return Metric(fit_key(key), value, entry["time"], entry["step"])
        param = entry["kind"] == "params"
        fitted = fit(key, value, MAX_PARAM if param else MAX_TAG)
        if fitted.overflow is not None:
            self._upload_text(fitted.overflow, fitted.artifact, FOLDER)
        return (Param if param else RunTag)(fitted.key, fitted.value)

    def _send(self, items: Sequence[Any]) -> None:
        """Send the items; what the store refuses of them is found by halving and kept beside."""
        metrics = [item for item in items if isinstance(item, Metric)]
        params = [item for item in items if isinstance(item, Param)]
        tags = [item for item in items if isinstance(item, RunTag)]
        try:
            self.client.log_batch(self.run_id, metrics=metrics, params=params, tags=tags)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE" or not self._is_there(self.run_id):
                raise
            if len(items) == 1:
                self._keep_refused(items[0], str(error))
                return
            middle = len(items) // 2
            self._send(items[:middle])
            self._send(items[middle:])

    def _keep_refused(self, item: Any, why: str) -> None:
        """Keep as an artifact what the store won't take: a second value of a param, say."""
        what = f"{type(item).__name__.lower()} {item.key}"
        file = Fitted(f"{item.key}", "", None).artifact
        self._upload_text(f"{item.value}\n\n{what} was refused: {why}\n", file, REFUSED)
        self.client.set_tag(self.run_id, "shackdoo.refused", f"see the artifacts in {REFUSED}/")

    def _upload_text(self, text: str, name: str, folder: str) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / name
            file.write_text(text, encoding="utf-8")
            self.upload(file, name, folder)

    # ── the run ──────────────────────────────────────────────────────────────────────────────

    def _is_there(self, run_id: str) -> bool:
        """Return whether the store has the run.

        Raises:
            RunDeletedError: if it has, as a deleted one.
        """
        try:
            info = self.client.get_run(run_id).info
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        if info.lifecycle_stage == LifecycleStage.DELETED:
            raise RunDeletedError(
                f"the run {run_id} was deleted in the store; it stays on this disk"
            )
        return True

    def _find_or_create(self, header: Entry) -> str:
        experiment = self._experiment(header)
        return self._find(header["run_uid"], [experiment]) or self._create(header, experiment)

    def _find(self, uid: str, experiments: list[str]) -> str | None:
        """Return the run with this uid, the first one made if there are more."""
        found = self.client.search_runs(
            experiments, f"tags.`{RUN_UID}` = '{uid}'", order_by=["start_time ASC"]
        )
        return str(found[0].info.run_id) if found else None

    def _experiments(self) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_experiments(page_token=token)
            found += page
            if not (token := page.token):
                return found

    def _create(self, header: Entry, experiment: str) -> str:
        tags = {
            "mlflow.user": header["user"],
            "mlflow.source.name": header["source"],
            "mlflow.source.type": "LOCAL",
            RUN_UID: header["run_uid"],
        }
        run = self.client.create_run(
            experiment, start_time=header["start_time"], tags=tags, run_name=header["run_name"]
        )
        return str(run.info.run_id)

    def _experiment(self, header: Entry) -> str:
        name = header["experiment"]
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(
                    self.client.create_experiment(
                        name,
                        self._artifact_location(header),
                        tags=page_tags(header.get("experiment_note")),
                    )
                )
            except MlflowException:  # another run was faster
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == LifecycleStage.DELETED:
            raise LookupError(
                f"the experiment '{name}' is deleted in the store; `mlflow experiments restore "
                f"-x {found.experiment_id}` brings it back"
            )
        return str(found.experiment_id)

    def _artifact_location(self, header: Entry) -> str | None:
        """Return where a new experiment's artifacts go: a server knows; else under the project.

        MLflow's own choice for a database without a server is the present working directory.
        """
        if self.address.startswith("http"):
            return None
        return (Path(header["project_root"]) / "mlruns" / quote(header["experiment"], "")).as_uri()


def registry_client(address: str) -> MlflowClient:
    """Return a client whose model registry is that of the store, whatever the environment says."""
    return MlflowClient(address, registry_uri=address)


def check_arrived(sent: Path, back: Path, name: str) -> None:
    """Compare what was sent with what the store gives back.

    Raises:
        OSError: if they differ.
    """
    if file_digest(sent) != file_digest(back):
        raise OSError(f"the store has another content of the artifact {name} than was sent")
