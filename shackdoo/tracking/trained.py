"""The model that a run of this machine left in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shackdoo.tracking.blobs import LostBlobError, checked_blob
from shackdoo.tracking.journal import JOURNAL, Entry, read_entries


@dataclass(frozen=True)
class TrainedModel:
    """A trained model.

    Attributes:
        path: the ``.keras`` file; its ending may be another.
        shape: of one input, if the model has one input of known shape.
    """

    path: Path
    shape: tuple[int, ...] | None


def local_model(folder: Path) -> TrainedModel | None:
    """Return the model of the run in ``folder``, verified; None if it has none or it is lost."""
    found: Entry | None = None
    for entry, _ in read_entries(folder / JOURNAL):
        if entry["kind"] == "model" or (entry["kind"] == "artifact" and entry["folder"] == "model"):
            found = entry
    if found is None:
        return None
    try:
        return TrainedModel(checked_blob(folder, found["sha256"]), _shape(found))
    except LostBlobError:
        return None


def _shape(entry: Entry) -> tuple[int, ...] | None:
    inputs = entry.get("inputs", ())
    if len(inputs) != 1 or -1 in inputs[0]["shape"][1:]:
        return None
    return tuple(inputs[0]["shape"][1:])
