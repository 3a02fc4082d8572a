"""A run with all that is on record of it, wherever that lies: on this machine or in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from shackdoo.commands.run_lookup import RunLookup
from shackdoo.commands.stopped import MANIFEST
from shackdoo.config.project import Project
from shackdoo.errors import RequestError
from shackdoo.provenance.capture import MANIFEST_SHA256
from shackdoo.provenance.manifest import read
from shackdoo.provenance.outcome import Curves, Outcome
from shackdoo.tracking.continued import read_recorded
from shackdoo.tracking.journal import JOURNAL
from shackdoo.tracking.listing import ListedRun
from shackdoo.tracking.state import RUNS

FOREIGN = "foreign"  # in the folder of a run that was fetched from a store
FINISHED = "FINISHED"
MAX_MANIFEST = 1 << 25  # bytes
MAX_FILE = 1 << 28  # of what is fetched


@dataclass(frozen=True)
class RecordedRun:
    """A run, and where its files are.

    Attributes:
        run: as it is listed.
        folder: of its record on this machine; None if it was recorded on another.
        scratch: where files that only the store has are put.
    """

    run: ListedRun
    folder: Path | None
    scratch: Path

    @property
    def is_foreign(self) -> bool:
        """Whether it was not recorded on this machine."""
        return self.folder is None or (self.folder / FOREIGN).exists()

    @property
    def name(self) -> str:
        """What the run is called in messages."""
        return f"{self.run.uid[:8]} ({self.run.run_name})"

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """What it was made of, and what came out.

        Raises:
            RequestError: if there is none that can be read, or it has been changed.
            IngredientError: if a newer shackdoo has written it.
        """
        path = self.file(MANIFEST)
        if path is None:
            raise RequestError(
                f"The run {self.name} has no {MANIFEST}: it is no run of shackdoo's, or it was "
                f"stopped before it had recorded what it is."
            )
        if path.stat().st_size > MAX_MANIFEST:
            raise RequestError(
                f"The {MANIFEST} of the run {self.name} has more than {MAX_MANIFEST >> 20} MB, so "
                f"it is none of shackdoo's."
            )
        content = path.read_bytes()
        self._check_unchanged(content)
        return read(content, f"The {MANIFEST} of the run {self.name}")

    def _check_unchanged(self, content: bytes) -> None:
        """Compare a finished run's manifest with the digest that was recorded when it ended."""
        recorded = self.run.tags.get(MANIFEST_SHA256)
        if self.run.status != FINISHED or recorded is None:
            return
        if hashlib.sha256(content).hexdigest() != recorded:
            raise RequestError(
                f"The {MANIFEST} of the run {self.name} has been changed since it was recorded: "
                f"its sha256 is not the one in the tag {MANIFEST_SHA256}. What it says can't be "
                f"relied on."
            )

    @cached_property
    def curves(self) -> Curves:
        """Each metric at each step."""
        if self.folder is None:
            from shackdoo.tracking.mlflow_run import metric_curves

            return metric_curves(self.run.store, str(self.run.mlflow_run_id))
        curves: dict[str, dict[int, float]] = {}
        for (name, step), value in read_recorded(self.folder / JOURNAL).metrics.items():
            curves.setdefault(name, {})[step] = value
        return curves

    @property
    def outcome(self) -> Outcome:
        """What it has computed."""
        return Outcome.of(self.manifest, self.curves)

    def file(self, name: str) -> Path | None:
        """Return a file of the record, as ``code.diff``; None if there is none.

        Args:
            name: relative, as it is written in the run's folder and among its artifacts.

        Raises:
            RequestError: if only the store has it, and it is larger than what is fetched.
            StoreError: if it would have to be fetched, and the store doesn't answer.
        """
        path = self.folder and self.folder / "files" / name
        if path is not None and (path.is_file() or not self.is_foreign):
            return path if path.is_file() else None
        fetched = self.scratch / "fetched" / name
        return fetched if fetched.is_file() else self._fetch(name)

    def _fetch(self, name: str) -> Path | None:
        from shackdoo.tracking.artifacts import fetch_artifact

        run_id = self.run.mlflow_run_id
        if run_id is None:
            return None
        return fetch_artifact(self.run.store, run_id, name, self.scratch / "fetched", MAX_FILE)


def recorded_run(wanted: str, project: Project, scratch: Path) -> RecordedRun:
    """Return the run that ``wanted`` names.

    Args:
        wanted: an id or its beginning, or ``latest``.
        project: whose state folder and store.
        scratch: a folder of the caller's, for files that only the store has.

    Raises:
        RequestError: if there is none, or more than one.
    """
    run = RunLookup(project).find(wanted)
    folder = project.state_dir() / RUNS / (run.run_uid or run.uid)
    here = run.shipped is not None and (folder / JOURNAL).is_file()
    if not here and run.mlflow_run_id is None:
        raise RequestError(f"The record of the run {run.uid} is gone from this machine.")
    return RecordedRun(run, folder if here else None, scratch)
