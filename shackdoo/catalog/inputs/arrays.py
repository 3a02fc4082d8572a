"""Inputs in arrays: ``.npy``, ``.npz`` and idx files, and what the catalog has loaded."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from shackdoo.catalog.formats import GZIP, IDX_TYPES
from shackdoo.catalog.inputs.batch import Batch, Label, ReadData
from shackdoo.errors import DataError, RequestError, listing

Array = np.ndarray[Any, Any]
INPUT_NAMES = ("inputs", "input", "images", "image", "x", "x_test", "data", "arr_0")
LABEL_NAMES = ("labels", "label", "targets", "target", "y", "y_test", "arr_1")
MIB = 1 << 20
FAULTS = (ValueError, EOFError, KeyError, OSError, zipfile.BadZipFile, struct.error, zlib.error)


class LoadedArrays:
    """Inputs that are in memory already, and their labels, if they are known."""

    def __init__(self, inputs: Array, labels: Array | None, data: ReadData) -> None:
        self._inputs = inputs
        self._labels = labels
        self._data = data

    @property
    def count(self) -> int:
        """How many inputs there are."""
        return len(self._inputs)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield slices of the array."""
        for start in range(0, len(self._inputs), size):
            some = self._inputs[start : start + size]
            labels = [] if self._labels is None else as_labels(self._labels[start : start + size])
            yield Batch(numbered(self._data.name, start, len(some)), some, labels)

    def data(self) -> ReadData:
        """Return where they come from."""
        return self._data


class ArrayFile:
    """Inputs in the array of a file, read piece by piece: memory holds a batch at a time."""

    def __init__(
        self, path: Path, label: str | None = None, expected: tuple[int, ...] | None = None
    ) -> None:
        """Read the header.

        Args:
            path: a ``.npy``, ``.npz`` or idx file, gzipped or not.
            label: name of the array of labels in a ``.npz`` file; None to look for one.
            expected: shape of one input of the model, if it is known: an array of that shape is
                a single input.

        Raises:
            DataError: if it is damaged, or no such file.
            RequestError: if it can't be told which of its arrays is meant.
        """
        self._path = path
        with _told(path):
            if path.suffix.lower() == ".npz":
                self._inputs, self._labels = _members(path, label)
            else:
                self._inputs, self._labels = _Piecewise(lambda: _open(path)), _sibling(path)
            if not self._inputs.shape:
                raise ValueError("it holds a single number, not inputs")
            if expected is not None and self._inputs.shape == expected and len(expected) > 1:
                self._inputs.shape = (1, *expected)
            if self._labels is not None and not _are_labels(self._labels.shape):
                raise RequestError(
                    f"The labels of {path} are an array of the shape "
                    f"{' x '.join(map(str, self._labels.shape))}; there must be one label an "
                    f"input, or one row of a column a class. Name another: label=NAME."
                )
            counts = {part.shape[0] for part in (self._inputs, self._labels) if part is not None}
        if len(counts) > 1:
            raise DataError(
                f"{path} has {self._inputs.shape[0]} inputs but another number of labels: "
                f"{', '.join(map(str, sorted(counts - {self._inputs.shape[0]})))}. Each input "
                f"needs one."
            )

    @property
    def count(self) -> int:
        """How many inputs the header says there are."""
        return self._inputs.shape[0]

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the inputs; a file that ends too early is a DataError."""
        with _told(self._path):
            labels = None if self._labels is None else self._labels.pieces(size)
            start = 0
            for piece in self._inputs.pieces(size):
                known = [] if labels is None else as_labels(next(labels))
                yield Batch(numbered(str(self._path), start, len(piece)), piece, known)
                start += len(piece)

    def data(self) -> ReadData:
        """Return the digest of the whole file."""
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ReadData(self._path.name, str(self._path), digest)


def numbered(name: str, start: int, count: int) -> list[str]:
    """Return names of inputs that have none: the array's and their position in it."""
    return [f"{name}[{place}]" for place in range(start, start + count)]


def as_labels(labels: Array) -> list[Label]:
    """Return the labels of some inputs; one-hot rows are told by the place of the one."""
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(axis=-1)
    flat: list[Label] = labels.reshape(-1).tolist()
    return flat


def _are_labels(shape: tuple[int, ...]) -> bool:
    return len(shape) in (1, 2)


class _Piecewise:
    """An array in a stream: its header is known, its rows come one piece after the other."""

    def __init__(self, open_stream: Callable[[], IO[bytes]]) -> None:
        self._open = open_stream
        with open_stream() as stream:
            self.shape, self._dtype, fortran = _header(stream)
        if fortran and len(self.shape) > 1:
            raise ValueError(
                "it is in Fortran order, which can't be read row by row: "
                "np.save(name, np.ascontiguousarray(array)) writes it the other way"
            )

    def pieces(self, rows: int) -> Iterator[Array]:
        """Yield the rows, at most so many at once."""
        row = math.prod(self.shape[1:])
        with self._open() as stream:
            _header(stream)
            for start in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - start)
                content = _exactly(stream, count * row * self._dtype.itemsize)
                piece = np.frombuffer(content, self._dtype).reshape(count, *self.shape[1:])
                yield piece.astype(self._dtype.newbyteorder("="), copy=False)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts, left = [], size
    while left:
        part = stream.read(min(left, MIB))
        if not part:
            raise ValueError("it ends before all the numbers that its header promises")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return shape, type and order of the array that a stream begins with."""
    magic = stream.read(4)
    if magic == np.lib.format.MAGIC_PREFIX[:4]:
        rest = io.BytesIO(magic + stream.read(4))
        version = np.lib.format.read_magic(rest)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which are never loaded")
        return shape, dtype, fortran
    if len(magic) < len(GZIP) + 2 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES:
        raise ValueError("it doesn't begin as a npy or idx file does")
    sizes = struct.unpack(f">{magic[3]}I", _exactly(stream, 4 * magic[3]))
    return tuple(sizes), np.dtype(IDX_TYPES[magic[2]]), False


def _open(path: Path) -> IO[bytes]:
    file = path.open("rb")
    packed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    if not packed:
        return file
    file.close()
    return cast("IO[bytes]", gzip.open(path))


def _sibling(path: Path) -> _Piecewise | None:
    """Return the labels beside an idx file, if they lie there under the name that goes with it."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    beside = path.with_name(name)
    return _Piecewise(lambda: _open(beside)) if name != path.name and beside.is_file() else None


def _members(path: Path, label: str | None) -> tuple[_Piecewise, _Piecewise | None]:
    """Return the inputs and the labels of a ``.npz`` file."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    labels = label or next((name for name in LABEL_NAMES if name in names), None)
    if labels is not None and labels not in names:
        raise RequestError(f"{path} has no array '{labels}' for labels. It has: {listing(names)}.")
    others = [name for name in names if name != labels]
    chosen = others if len(others) == 1 else [name for name in INPUT_NAMES if name in others]
    if not chosen:
        raise RequestError(
            f"{path} has the arrays {listing(names)}; which of them are the inputs can't be told. "
            f"Name that array one of: {', '.join(INPUT_NAMES)}."
        )

    def member(name: str) -> _Piecewise:
        return _Piecewise(lambda: zipfile.ZipFile(path).open(f"{name}.npy"))

    return member(chosen[0]), None if labels is None else member(labels)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tell what is wrong with a file, whatever the libraries raise."""
    try:
        yield
    except FAULTS as error:
        first = (str(error).strip("'\" ") or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{path} can't be read: {first.rstrip('.')}. Put a good file in its place."
        ) from None
