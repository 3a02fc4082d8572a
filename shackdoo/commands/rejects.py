"""The list of inputs that were refused, kept on disk while it grows."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shackdoo.catalog.inputs.batch import Refusal

FEW = 3  # that can be shown at once


class Rejects:
    """A CSV of ``input`` and ``reason``, in a folder of its own until it is wanted elsewhere.

    Attributes:
        first: the first few of them.
    """

    def __init__(self) -> None:
        self.first: list[Refusal] = []
        self._folder = tempfile.TemporaryDirectory(prefix="shackdoo-")
        self._path = Path(self._folder.name) / "rejects.csv"
        self._file = self._path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(["input", "reason"])

    def write(self, refused: Sequence[Refusal]) -> None:
        """Append to the list."""
        self.first += refused[: FEW - len(self.first)]
        self._csv.writerows((each.name, each.reason) for each in refused)

    def finish(self) -> Path:
        """Return the file, written whole."""
        self._file.flush()
        return self._path

    def close(self) -> None:
        """Take the file away."""
        self._file.close()
        self._folder.cleanup()
