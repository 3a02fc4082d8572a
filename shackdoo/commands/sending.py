"""Checkpoints that go to the tracking store, for a machine that may have to go on elsewhere."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from shackdoo.tracking.blobs import named_copy
from shackdoo.tracking.tracker import Artifact, Tracker

FOLDER, NAME = "checkpoints", "newest.ckpt"  # among the run's artifacts


class Sending:
    """Hands checkpoints on to a tracker, not more often than asked."""

    def __init__(self, tracker: Tracker, seconds: float | None) -> None:
        """Hand them to ``tracker``, ``seconds`` apart at least; None for none."""
        self._tracker = tracker
        self._seconds = seconds
        self._last = -float("inf")

    def written(self, path: Path, last: bool) -> None:
        """Take a checkpoint that was written; the last one before an interruption is due at once.

        Raises:
            RunError: if the journal can't be written.
        """
        if self._seconds is None or not (last or time.monotonic() - self._last >= self._seconds):
            return
        self._last = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            self._tracker.attach(Artifact(named_copy(path, Path(scratch) / NAME), FOLDER))
