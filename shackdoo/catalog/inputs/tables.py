"""Inputs in a table of numbers: CSV, a row an input."""

from __future__ import annotations

import csv
import hashlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from shackdoo.catalog.inputs.batch import Batch, Label, ReadData, Refusal
from shackdoo.errors import DataError, RequestError, listing

LABEL_COLUMNS = ("label", "labels", "target", "class", "y")
SEPARATORS = (",", ";", "\t")
BOM = b"\xef\xbb\xbf"
NUMBERED = re.compile(r"^\D+(\d+)$")


class Table:
    """The rows of a CSV file, each an input in numbers, perhaps with its label.

    A first line that is mostly words names the columns. Without names, one column more than the
    model takes is the label, in front.
    """

    def __init__(
        self, path: Path, label: str | None = None, expected: tuple[int, ...] | None = None
    ) -> None:
        """Look at the first line.

        Args:
            path: the file, UTF-8.
            label: name of the column of labels; None to look for one.
            expected: shape of one input of the model, if it is known.

        Raises:
            DataError: if there is no line, or it is no text.
            RequestError: if there is no column of that name.
        """
        self._path = path
        self._digest = hashlib.sha256()
        first = self._first_line()
        self._separator = max(SEPARATORS, key=first.count)
        try:
            fields = [each.strip() for each in _fields(first, self._separator)]
        except ValueError as error:
            raise DataError(f"{path}: {error}. Save it as CSV in UTF-8.") from None
        self._names = fields if _are_names(fields, label) else None
        self._check_order()
        self._shape = expected
        self._wanted = None if expected is None else int(np.prod(expected))
        self._label = self._label_column(label, len(fields))
        if self._wanted is None:
            self._wanted = len(fields) - (self._label is not None)

    @property
    def count(self) -> None:
        """Not known before the end."""
        return None

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the rows, float64, in the shape that the model takes if that is known.

        A row that does not fit is refused by its line.
        """
        batch, rows = Batch([], []), 0
        with self._opened() as file, warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # numpy's for what is no number
            for number, raw in enumerate(file, 1):
                self._digest.update(raw)
                line = raw.removeprefix(BOM) if number == 1 else raw
                if (number == 1 and self._names is not None) or not raw.strip():
                    continue
                self._take(f"{self._path}:{number}", line, batch)
                rows += 1
                if rows % size == 0:
                    yield self._stacked(batch)
                    batch = Batch([], [])
        if batch.names or batch.refused:
            yield self._stacked(batch)

    def data(self) -> ReadData:
        """Return the digest of the whole file."""
        return ReadData(self._path.name, str(self._path), self._digest.hexdigest())

    def _opened(self) -> IO[bytes]:
        return self._path.open("rb")

    def _first_line(self) -> str:
        try:
            with self._opened() as file:
                line = file.readline(1 << 24).decode("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{self._path} can't be read as CSV: {error}. Save it as CSV in UTF-8."
            ) from None
        if not line:
            raise DataError(f"{self._path} can't be read as CSV: its first line is empty.")
        return line

    def _label_column(self, wanted: str | None, columns: int) -> int | None:
        if self._names is None:
            if wanted is not None:
                raise RequestError(
                    f"{self._path} does not name its columns in a first line, so there is no "
                    f"column '{wanted}'. Leave `label` out: one column more than the model takes "
                    f"is the label, in front."
                )
            return 0 if columns == (self._wanted or columns) + 1 else None
        if wanted is not None:
            if wanted not in self._names:
                raise RequestError(
                    f"{self._path} has no column '{wanted}' for labels. It has: "
                    f"{_some(self._names)}."
                )
            return self._names.index(wanted)
        lower = [name.lower() for name in self._names]
        return next((lower.index(name) for name in LABEL_COLUMNS if name in lower), None)

    def _check_order(self) -> None:
        """Refuse columns that are numbered, but not in their order: they are read by position."""
        numbers = [int(found[1]) for name in self._names or () if (found := NUMBERED.search(name))]
        if numbers != sorted(numbers):
            raise RequestError(
                f"The columns of {self._path} are numbered but not in order. Rows are read by "
                f"position, so sort the columns."
            )

    def _take(self, name: str, raw: bytes, batch: Batch) -> None:
        try:
            label, numbers = self._row(raw)
        except ValueError as error:
            batch.refused.append(Refusal(name, str(error)))
            return
        batch.names.append(name)
        batch.inputs.append(numbers)
        batch.labels.append(label)

    def _stacked(self, batch: Batch) -> Batch:
        if batch.names:
            rows = np.stack(batch.inputs)
            batch.inputs = rows if self._shape is None else rows.reshape(-1, *self._shape)
        if all(label is None for label in batch.labels):
            batch.labels = []
        return batch

    def _row(self, raw: bytes) -> tuple[Label, np.ndarray[Any, Any]]:
        """Return label and numbers of a line; the label may be a word."""
        text = raw.decode("utf-8").strip()
        label: Label = None
        if self._label is not None:
            fields = _fields(text, self._separator)
            if len(fields) > self._label:
                label = fields.pop(self._label).strip() or None
            text = self._separator.join(fields)
        count = text.count(self._separator) + 1
        if count != self._wanted:
            beside = "" if self._label is None else " beside the label"
            raise ValueError(f"it has {count} columns{beside}, not {self._wanted}")
        try:
            numbers = np.fromstring(text, sep=self._separator)
        except (DeprecationWarning, ValueError):
            numbers = np.empty(0)
        if len(numbers) != count:
            wrong = next((each for each in text.split(self._separator) if not _is_number(each)), "")
            raise ValueError(f"'{wrong[:40]}' is no number")
        return label, numbers


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error as error:
        raise ValueError(f"it can't be read as CSV: {error}") from None


def _are_names(fields: list[str], label: str | None) -> bool:
    """Return whether a line names the columns.

    It does if most of its fields are words, one of them is what a column of labels is called, or
    they count from 0.
    """
    words = sum(bool(each) and not _is_number(each) for each in fields)
    labels = {*LABEL_COLUMNS, label}
    counted = fields == [str(place) for place in range(len(fields))]
    return 2 * words > len(fields) or counted or any(f.lower() in labels for f in fields)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _some(names: list[str]) -> str:
    return listing(names) if len(names) <= 12 else f"{', '.join(names[:12])}, …"
