"""A run's manifest while the run goes on: it grows, on this disk and on its way to the store."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shackdoo.commands.stopped import MANIFEST
from shackdoo.provenance.capture import MANIFEST_SHA256, write_manifest
from shackdoo.tracking.tracker import Artifact
from shackdoo.training.dataset import leaves

if TYPE_CHECKING:
    from pathlib import Path

    from shackdoo.commands.record_place import Place
    from shackdoo.commands.stopped import Stopped
    from shackdoo.training.dataset import Dataset


class RunManifest:
    """What a run is made of, and what came out of it as soon as that is known.

    Attributes:
        values: as they will be written next.
    """

    def __init__(self, values: dict[str, Any], place: Place) -> None:
        """Begin with ``values``; write where the record has its place, if it has one."""
        self.values = values
        self._place = place

    def go_on(self, stopped: Stopped) -> None:
        """Be the manifest of a run that was stopped, and say that it was resumed."""
        before = stopped.manifest
        self.values["created"] = before["created"]
        self.values["resumed"] = [
            *before.get("resumed", []),
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "changes": [str(change) for change in stopped.changes],
            },
        ]

    def data(self, name: str, dataset: Dataset) -> None:
        """Tell shapes and types of what became of the data ``name``."""
        entry = self.values["data"][name]
        for part in ("train", "validation", "test"):
            split = getattr(dataset, part)
            if split is not None:
                arrays = leaves((split.inputs, split.targets))
                entry[part] = [f"{array.dtype}{list(array.shape)}" for array in arrays]

    def write(self) -> bytes:
        """Write it into the run's folder, if there is one; return what was written."""
        return b"" if self._path is None else write_manifest(self.values, self._path)

    def attach(self) -> bytes:
        """Write it, and have the store get it as it is now; return what was written."""
        content = self.write()
        if self._path is not None:
            self._place.tracker.attach(Artifact(self._path, ""))
        return content

    def close(self) -> None:
        """Put it on record for the last time, with its digest beside it."""
        if content := self.attach():
            self._place.tracker.tags({MANIFEST_SHA256: hashlib.sha256(content).hexdigest()})

    @property
    def _path(self) -> Path | None:
        folder = self._place.folder
        return None if folder is None else folder / "files" / MANIFEST
