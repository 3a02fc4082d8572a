"""Where the content of a report comes from: this machine's record of a run, or the store's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shackdoo.commands.parent_task import read_answer
from shackdoo.commands.report_content import report_content
from shackdoo.config.project import Project
from shackdoo.errors import RequestError, StoreError
from shackdoo.metric_names import is_of_epochs
from shackdoo.report.content import Content, read_content
from shackdoo.tracking.blobs import LostBlobError, checked_blob
from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.listing import KIND, RUNNING, STATUSES, ListedRun
from shackdoo.tracking.state import RUNS

PAGE, MANIFEST = "report.json", "manifest.json"
Steps = dict[str, dict[int, float]]  # metric to the value at each step


def read_run(run: ListedRun, project: Project) -> Content:
    """Return the content of a run's report.

    A run that has ended has kept it; of one that is going on, or was killed, it is put together
    from what is recorded.

    Raises:
        StoreError: if the run is on another machine and its store doesn't answer.
    """
    folder = project.state_dir() / RUNS / (run.run_uid or run.uid)
    if run.shipped is not None and (folder / JOURNAL).is_file():
        return _local(run, folder)
    return _stored(run)


def _local(run: ListedRun, folder: Path) -> Content:
    digests: dict[str, str] = {}
    steps: Steps = {}
    for entry, _ in read_entries(folder / JOURNAL):
        match entry:
            case {"kind": "artifact", "name": (("report.json" | "manifest.json") as name)}:
                digests[name] = entry["sha256"]
            case {"kind": "metrics", "values": dict(values), "step": int(step)}:
                for name, value in values.items():
                    steps.setdefault(name, {})[step] = float(value)
    kept = {name: _blob(folder, digest) for name, digest in digests.items()}
    if (content := read_content(kept.get(PAGE, ""))) is not None:
        return content
    manifest = json.loads(kept.get(MANIFEST) or "{}")
    return _put_together(run, manifest, steps, read_answer(folder / "files"))


def _blob(folder: Path, digest: str) -> str:
    try:
        return checked_blob(folder, digest).read_text(encoding="utf-8")
    except LostBlobError:
        return ""


def _stored(run: ListedRun) -> Content:
    if run.mlflow_run_id is None:
        raise RequestError(f"The record of the run {run.uid} is gone from this machine.")
    if (content := read_content(_artifact(run, f"report/{PAGE}") or "")) is not None:
        return content
    from shackdoo.tracking.mlflow_run import metric_curves

    names = [name for name in run.metrics if is_of_epochs(name)]
    steps = metric_curves(run.store, run.mlflow_run_id, names)
    try:
        manifest = json.loads(_artifact(run, MANIFEST) or "{}")
    except ValueError:
        manifest = {}
    return _put_together(run, manifest, steps, None)


def _artifact(run: ListedRun, path: str) -> str | None:
    """Return the text of an artifact, None if the store has none."""
    from shackdoo.tracking.artifacts import download

    with tempfile.TemporaryDirectory() as scratch:
        try:
            file = download(run.store, f"runs:/{run.mlflow_run_id}/{path}", Path(scratch))
        except StoreError:  # a store that is away says so when it is asked for the metrics
            return None
        return file.read_text(encoding="utf-8", errors="replace")


def _put_together(
    run: ListedRun, manifest: Mapping[str, Any], steps: Steps, parent: Mapping[str, Any] | None
) -> Content:
    config = manifest.get("config", {})
    lineage = run.tags.get("shackdoo.lineage", "")
    facts = {
        "uid": run.uid,
        "name": run.run_name,
        "kind": run.tags.get(KIND, ""),
        "experiment": run.experiment,
        "tag": run.tag,
        "tags": config.get("tags", {}),
        "task": run.task,
        "doc": None,
        "lineage": lineage.split(" < ") if lineage else [],
        "hooks": None,
        "status": run.status if run.status in STATUSES else RUNNING,  # MLflow has more
        "error": run.tags.get("shackdoo.error"),
        "started": run.start_time,
        "ended": run.end_time,
    }
    history = {
        name: [values[step] for step in sorted(values)]
        for name, values in steps.items()
        if is_of_epochs(name)
    }
    return report_content(
        facts,
        language=config["report"]["language"] if "language" in config.get("report", {}) else "en",
        best=config.get("best", {}),
        history=history,
        metrics=run.metrics,
        parts=(),
        parent=parent,
        manifest=manifest,
    )
