"""Inputs as lines of JSON, from standard input or a file.

A line is an array of numbers, or an object: ``input`` holds the numbers, or text that is a
picture (base64, with or without ``data:image/…;base64,`` in front); ``name`` and ``label`` may
stand beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from shackdoo.catalog.inputs.batch import Batch, ReadData, Refusal
from shackdoo.catalog.inputs.pictures import NoBase64Error, picture_in

KNOWN = frozenset({"input", "label", "name"})
LONGEST_LINE = 1 << 26  # bytes; a longer one is no single input


class JsonLines:
    """Inputs, a line each."""

    def __init__(self, open_stream: Callable[[], IO[bytes]], name: str) -> None:
        """Make the source; nothing is read yet.

        Args:
            open_stream: gives the lines.
            name: what names them: of line 3 it is ``name:3``.
        """
        self._open = open_stream
        self._name = name
        self._digest = hashlib.sha256()

    @property
    def count(self) -> None:
        """Not known before the end."""
        return None

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the lines as they come; one that can't be understood is refused by its number."""
        batch, lines = Batch([], []), 0
        for number, raw in enumerate(self._lines(), 1):
            self._digest.update(raw)
            if not raw.strip():
                continue
            self._take(f"{self._name}:{number}", raw, batch)
            lines += 1
            if lines % size == 0:
                yield batch
                batch = Batch([], [])
        if batch.names or batch.refused:
            yield batch

    def data(self) -> ReadData:
        """Return the digest of all lines."""
        return ReadData("stdin" if self._name == "-" else self._name, self._name, self._hexdigest())

    def _hexdigest(self) -> str:
        return self._digest.hexdigest()

    def _lines(self) -> Iterator[bytes]:
        with self._open() as stream:
            while line := stream.readline(LONGEST_LINE):
                yield line

    def _take(self, name: str, raw: bytes, batch: Batch) -> None:
        try:
            content = json.loads(raw)
            record = content if isinstance(content, dict) else {"input": content}
            array = _input(record)
        except (ValueError, RecursionError) as error:  # JSON's own are ValueErrors
            batch.refused.append(Refusal(name, _told(error)))
            return
        given = record.get("name")
        batch.names.append(given if isinstance(given, str) and given else name)
        batch.inputs.append(array)
        batch.labels.append(record.get("label"))


def _input(record: dict[str, Any]) -> np.ndarray[Any, Any]:
    if "input" not in record:
        raise ValueError("it has no 'input'")
    if unknown := sorted(set(record) - KNOWN):
        raise ValueError(f"it has the key '{unknown[0]}'; known are input, label and name")
    if not isinstance(record.get("label"), str | int | float | None):
        raise ValueError("its label is neither text nor a number")
    content = record["input"]
    return _picture(content) if isinstance(content, str) else _numbers(content)


def _picture(text: str) -> np.ndarray[Any, Any]:
    try:
        return picture_in(text)
    except NoBase64Error:
        raise ValueError("its input is text but no base64") from None


def _numbers(content: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(content)
    except ValueError:
        raise ValueError("its rows differ in length") from None
    if array.dtype.kind not in "biuf" or array.size == 0:
        raise ValueError("its input is no array of numbers")
    return array


def _told(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "it is no JSON"
    return str(error)
