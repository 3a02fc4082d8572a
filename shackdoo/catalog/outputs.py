"""Tables of answers in files: CSV, Parquet, JSON lines, npz; whole or absent, row by row.

A table has the column ``input`` and those of the answers. Rows are written as they come, so that
memory holds no more than some of them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from shackdoo.errors import RequestError, StoreError

STDOUT = "-"
DEFAULT = "predictions.csv"  # in the folder of the run's pictures
INPUT = "input"
Columns = Mapping[str, np.ndarray[Any, Any]]


class TableWriter(Protocol):
    """Writes a table into an open file."""

    def write(self, names: Sequence[str], columns: Columns) -> None:
        """Append a row for each name."""

    def close(self) -> None:
        """Write what is left; the file is whole."""


class CsvWriter:
    """CSV in UTF-8 with the names of the columns in the first line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._begun = False

    def write(self, names: Sequence[str], columns: Columns) -> None:
        """Append rows; numbers as short as reading them back to the same bits allows."""
        if not self._begun:
            self._csv.writerow([INPUT, *columns])
            self._begun = True
        self._csv.writerows(
            zip(names, *(_texts(column) for column in columns.values()), strict=True)
        )

    def close(self) -> None:
        """Leave the file to its owner."""
        self._text.detach()


class JsonLinesWriter:
    """An object a line."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, names: Sequence[str], columns: Columns) -> None:
        """Append lines."""
        keys = [INPUT, *columns]
        for row in zip(names, *(column.tolist() for column in columns.values()), strict=True):
            text = json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False)
            self._stream.write(text.encode() + b"\n")
        self._stream.flush()

    def close(self) -> None:
        """There is nothing left."""


class ParquetWriter:
    """Parquet; each batch of rows is a row group."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._writer: Any = None

    def write(self, names: Sequence[str], columns: Columns) -> None:
        """Append a row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({INPUT: pa.array(names, pa.string()), **columns})
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._stream, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


class NpzWriter:
    """An array a column; a file each while the rows come, since a header tells their number."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._scratch = tempfile.TemporaryDirectory()
        self._parts: dict[str, list[tuple[np.dtype[Any], int]]] = {}

    def write(self, names: Sequence[str], columns: Columns) -> None:
        """Keep rows."""
        for key, column in {INPUT: np.asarray(names, dtype=np.str_), **columns}.items():
            parts = self._parts.setdefault(key, [])
            self._file(key, len(parts)).write_bytes(np.ascontiguousarray(column).tobytes())
            parts.append((column.dtype, len(column)))

    def close(self) -> None:
        """Write the arrays, one after the other."""
        with zipfile.ZipFile(self._stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, parts in self._parts.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    self._join(key, parts, member)
        self._scratch.cleanup()

    def _join(self, key: str, parts: list[tuple[np.dtype[Any], int]], member: IO[bytes]) -> None:
        dtype = np.result_type(*{dtype for dtype, _ in parts})
        rows = sum(count for _, count in parts)
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (rows,),
        }
        np.lib.format.write_array_header_1_0(member, header)
        for place, (stored, _) in enumerate(parts):
            content = np.frombuffer(self._file(key, place).read_bytes(), stored)
            member.write(content.astype(dtype).tobytes())

    def _file(self, key: str, part: int) -> Path:
        return Path(self._scratch.name) / f"{list(self._parts).index(key)}-{part}"


WRITERS: dict[str, Callable[[IO[bytes]], TableWriter]] = {
    ".csv": CsvWriter,
    ".parquet": ParquetWriter,
    ".jsonl": JsonLinesWriter,
    ".ndjson": JsonLinesWriter,
    ".npz": NpzWriter,
}


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

    def finish(self, empty: Columns) -> None:
        """Give the file its name; a table without rows has the columns of ``empty``."""
        if self._writer is None or self._stream is None:
            return
        if not self._rows:
            self._writer.write([], empty)
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


def _texts(column: np.ndarray[Any, Any]) -> Sequence[Any]:
    """Return the column as CSV shows it: a float by its shortest text that reads back the same."""
    if column.dtype.kind == "f":
        column = column.astype(np.str_)
    values: list[Any] = column.tolist()
    return values
