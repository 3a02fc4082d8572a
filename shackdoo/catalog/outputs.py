"""Tables of answers in files: CSV, Parquet, JSON lines, npz; whole or absent, row by row.

A table has the column ``input`` and those of the answers. Rows are written as they come, so that
memory holds no more than some of them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from shackdoo.catalog.table_writers import WRITERS, Columns, TableWriter
from shackdoo.errors import RequestError, StoreError

STDOUT = "-"
REJECTS_HEAD = b"input,reason\n"
DEFAULT = "predictions.csv"  # in the folder of the run's pictures


class Output:
    """The file of a table; nothing has its name before it is whole.

    Attributes:
        path: the file, or None for standard output.
        rejects: the file of what was refused: ``NAME.rejects.csv`` beside it; None if that has no
            place.
    """

    def __init__(self, path: Path | None, suffix: str) -> None:
        """Plan it; nothing is opened yet."""
        self.path: Path | None = None
        self.rejects: Path | None = None
        if path is not None:
            self.put(path)
        self._suffix = suffix
        self._part: Path | None = None
        self._stream: IO[bytes] | None = None
        self._writer: TableWriter | None = None
        self._rows = 0

    def put(self, path: Path) -> None:
        """Have it at ``path``, before it is opened."""
        self.path, self.rejects = path, path.with_name(f"{path.stem}.rejects.csv")

    def check(self, given: Path) -> None:
        """Refuse to write over what is read, or over somebody's file of the rejects' name.

        Raises:
            RequestError: if that would happen.
        """
        if self.path is not None and _same(self.path, given):
            raise RequestError(
                f"The output {self.path} is the input itself. Name another: output=PATH."
            )
        if self.rejects is None or not self.rejects.exists():
            return
        if not self.rejects.is_file() or not _are_rejects(self.rejects):
            raise RequestError(
                f"What is refused would be listed in {self.rejects}, but that is a file of another "
                f"kind. Name another output, or move that file."
            )

    def open(self) -> None:
        """Begin the file beside its name.

        Raises:
            StoreError: if it can't be written there.
        """
        if self.path is None:
            self._stream = sys.stdout.buffer
        else:
            self._part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self._part.open("wb")
            except OSError as error:
                raise StoreError(
                    f"The output {self.path} can't be written: {error.strerror}. Name another "
                    f"place: output=PATH."
                ) from None
        self._writer = WRITERS[self._suffix](self._stream)

    def write(self, names: Sequence[str], columns: Columns) -> None:
        """Append a row for each name."""
        if names and self._writer is not None:
            self._writer.write([_text(name) for name in names], columns)
            self._rows += len(names)

    def finish(self, empty: Callable[[], Columns]) -> None:
        """Give the file its name; a table without rows has the columns that ``empty`` returns."""
        if self._writer is None or self._stream is None:
            return
        if not self._rows:
            self._writer.write([], empty())
        self._writer.close()
        self._stream.flush()
        if self._part is not None and self.path is not None:
            self._stream.close()
            self._part.replace(self.path)
        self._writer = None

    def abandon(self) -> None:
        """Leave nothing of an unfinished file."""
        if self._part is not None and self._writer is not None:
            if self._stream is not None:
                self._stream.close()
            self._part.unlink(missing_ok=True)

    def write_rejects(self, refused: Path | None) -> None:
        """Put the list of what was refused beside the table, or take an old one away."""
        if self.rejects is None:
            return
        if refused is None:
            self.rejects.unlink(missing_ok=True)
            return
        part = self.rejects.with_name(f".{self.rejects.name}.{os.getpid()}.part")
        shutil.copyfile(refused, part)
        part.replace(self.rejects)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _are_rejects(path: Path) -> bool:
    """Return whether a file is a list of refused inputs, as an earlier inference has left it."""
    with path.open("rb") as file:
        return file.read(len(REJECTS_HEAD)) in (b"", REJECTS_HEAD)


def plan_output(wanted: str, lines: bool) -> Output:
    """Return where the answers go.

    Args:
        wanted: as typed: a file, or - for standard output.
        lines: whether standard output gets JSON lines instead of CSV.

    Raises:
        RequestError: if its ending names no format, or it is a folder.
        StoreError: if nothing can be written there.
    """
    if wanted == STDOUT:
        return Output(None, ".jsonl" if lines else ".csv")
    path = Path(wanted).expanduser().absolute()
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise RequestError(
            f"The output '{wanted}' ends with no format that is known. Its ending decides: "
            f"{', '.join(WRITERS)}; - is standard output."
        )
    if path.is_dir():
        raise RequestError(f"The output '{wanted}' is a folder. Name a file in it.")
    there = next(folder for folder in path.parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise StoreError(
            f"The output {path} can't be written: {there} is no folder that you may write. Name "
            f"another place: output=PATH."
        )
    return Output(path, suffix)


def _text(name: str) -> str:
    """Return a name that is text: a file's may be bytes that are none."""
    return name.encode("utf-8", "backslashreplace").decode()
