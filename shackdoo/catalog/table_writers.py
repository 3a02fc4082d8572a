"""Writers of tables: CSV, JSON lines, Parquet, npz. Rows go into an open file as they come."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

INPUT = "input"  # the first column
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


def _texts(column: np.ndarray[Any, Any]) -> Sequence[Any]:
    """Return the column as CSV shows it: a float by its shortest text that reads back the same."""
    if column.dtype.kind == "f":
        column = column.astype(np.str_)
    values: list[Any] = column.tolist()
    return values
