"""A run of another machine, brought into this machine's state folder so that it can go on here."""

from __future__ import annotations

import getpass
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.commands.recorded_run import FOREIGN, MAX_MANIFEST
from shackdoo.commands.sending import FOLDER, NAME
from shackdoo.commands.stopped import CHECKPOINTS, MANIFEST, REQUEST
from shackdoo.config.project import Project
from shackdoo.errors import RequestError
from shackdoo.provenance.capture import write_manifest
from shackdoo.provenance.manifest import read
from shackdoo.provenance.secrets import HIDDEN
from shackdoo.tracking.journal import JOURNAL, Header, JournalTracker
from shackdoo.tracking.listing import ListedRun
from shackdoo.tracking.shipping import Shipping, write_shipping
from shackdoo.tracking.state import RUNS
from shackdoo.tracking.tracker import DataInput
from shackdoo.training.checkpoint import DamagedError, read_checkpoint
from shackdoo.training.checkpoints import NAMED


def fetch_run(run: ListedRun, project: Project) -> Path:
    """Return the folder of a run, made from what its store has of it; it is whole or absent.

    Raises:
        RequestError: if the store has no checkpoint of it, or its request holds secrets that were
            taken out.
        StoreError: if the store doesn't answer.
    """
    if run.run_uid is None or run.mlflow_run_id is None:
        raise RequestError(f"The run {run.uid} is no training of shackdoo's; it can't be resumed.")
    state = project.state_dir()
    scratch, folder = state / "fetched" / run.run_uid, state / RUNS / run.run_uid
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        found = _download(run, scratch / "artifacts")
        made = scratch / "run"
        made.mkdir(mode=0o700)
        _fill(made, _header(run, project), run, found.manifest)
        _put_files(made, found, _request(run, found.manifest))
        (made / FOREIGN).touch(mode=0o600)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class _Found:
    manifest: dict[str, Any]
    checkpoint: Path


def _download(run: ListedRun, scratch: Path) -> _Found:
    from shackdoo.tracking.artifacts import fetch_artifact

    run_id = str(run.mlflow_run_id)
    manifest = fetch_artifact(run.store, run_id, MANIFEST, scratch, MAX_MANIFEST)
    # As large as the model makes it: no bound.
    checkpoint = fetch_artifact(run.store, run_id, f"{FOLDER}/{NAME}", scratch, None)
    if manifest is None or checkpoint is None:
        missing = MANIFEST if manifest is None else "checkpoint"
        raise RequestError(
            f"The run {run.uid[:8]} is one of another machine, and the store has no {missing} of "
            f"it. Resume it there, or start anew; checkpoint.ship=60 sends one each minute."
        )
    return _Found(
        read(manifest.read_bytes(), f"The {MANIFEST} of the run {run.uid[:8]}"), checkpoint
    )


def _request(run: ListedRun, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the run is asked for again.

    One that had the configuration of another run goes by its own: the other may be nowhere.
    """
    if "same_as" not in manifest:
        overrides: list[str] = manifest["overrides"]
        _refuse_hidden(run, [each.partition("=")[0] for each in overrides if HIDDEN in each])
        return {"overrides": overrides}
    from shackdoo.commands.same_as import recorded_base

    name, uid = f"the configuration of the run {run.uid[:8]}", manifest["same_as"]["run"]
    base = recorded_base(name, uid, manifest["config"], manifest["redacted"], {})
    _refuse_hidden(run, sorted(".".join(key) for key in base.hidden))
    return {"overrides": [], "same_as": base.to_json()}


def _refuse_hidden(run: ListedRun, hidden: Sequence[str]) -> None:
    if hidden:
        raise RequestError(
            f"The run {run.uid[:8]} was asked for with secrets, which the store does not have: "
            f"{', '.join(hidden)}. It can only be resumed on its own machine."
        )


def _header(run: ListedRun, project: Project) -> Header:
    return Header(
        run_uid=run.uid,
        experiment=run.experiment,
        run_name=run.run_name,
        tracking_uri=run.store,
        mlflow_run_id=run.mlflow_run_id,
        user=getpass.getuser(),
        source=run.tags.get("mlflow.source.name", ""),
        project_root=str(project.root),
        start_time=run.start_time,
        parent_uid=None,
        keep_days=None,
    )


def _fill(folder: Path, header: Header, run: ListedRun, manifest: Mapping[str, Any]) -> None:
    """Write a journal of what the store has; nothing of it is to be shipped again."""
    from shackdoo.tracking.mlflow_run import metric_points

    tracker = JournalTracker(folder, header)
    tracker.params(run.params)
    tracker.tags({name: v for name, v in run.tags.items() if not name.startswith("mlflow.")})
    for name, step, _, value in metric_points(run.store, str(run.mlflow_run_id)):
        tracker.metrics({name: value}, step)
    for name, entry in manifest["data"].items():
        tracker.attach(DataInput(name, entry["sha256"], entry["path"], "training"))
    tracker.end("KILLED")
    size = (folder / JOURNAL).stat().st_size
    write_shipping(folder, Shipping(size, True, run.mlflow_run_id, None))


def _put_files(folder: Path, found: _Found, request: dict[str, Any]) -> None:
    files, kept = folder / "files", folder / CHECKPOINTS
    files.mkdir(mode=0o700)
    kept.mkdir(mode=0o700)
    write_manifest(found.manifest, files / MANIFEST)
    (files / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    try:
        steps = read_checkpoint(found.checkpoint).steps
    except DamagedError as error:
        raise RequestError(f"The checkpoint in the store is damaged: {error}.") from None
    shutil.copyfile(found.checkpoint, kept / NAMED.format(steps))
