"""Decoders of the catalog's formats: the bytes of a file in, numpy content out."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from shackdoo.catalog import safe_pickle
from shackdoo.errors import DataError

GZIP = b"\x1f\x8b"
# Third byte of an idx file: the type of its numbers, which are big-endian.
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
LONGEST = 200  # characters of a fault that are told


def decode(content: bytes, file_format: str, name: str) -> Any:
    """Return what a file holds; gzipped content of any format is unpacked first.

    Args:
        content: the whole file.
        file_format: a format of the catalog.
        name: the file, for messages.

    Returns:
        ``npy`` and ``idx``: an array in the byte order of this machine. ``npz``: a dictionary of
        arrays. ``pickle``: the tuples, lists, dictionaries, arrays and scalars it holds.

    Raises:
        DataError: if the content isn't what the format says.
    """
    try:
        unpacked = gzip.decompress(content) if content.startswith(GZIP) else content
        return DECODERS[file_format](unpacked)
    except Exception as error:  # damaged bytes make the libraries raise anything
        raise DataError(
            f"{name} can't be read as {file_format}: {_told(error)} Put a good file in its place, "
            f"or correct its format in conf/catalog.yaml."
        ) from None


def _told(error: Exception) -> str:
    """Return the first line of an error, printable and not too long, as a sentence."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0][:LONGEST]
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    return f"{printable.rstrip('.')}."


def _decode_npy(content: bytes) -> np.ndarray[Any, Any]:
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        raise ValueError("it doesn't begin as a npy file does")
    return _native(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))


def _decode_npz(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            try:
                arrays[member.removesuffix(".npy")] = _decode_npy(archive.read(member))
            except Exception as error:
                raise ValueError(f"its item '{member}': {error}") from None
    return arrays


def _decode_idx(content: bytes) -> np.ndarray[Any, Any]:
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if len(content) < start or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise ValueError("it doesn't begin as an idx file does")
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    dtype = np.dtype(IDX_TYPES[content[2]])
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        raise ValueError(
            f"its header says {' x '.join(map(str, shape))} numbers of {dtype.itemsize} bytes, "
            f"{expected} bytes; {len(content) - start} follow"
        )
    return _native(np.frombuffer(content, dtype, offset=start).reshape(shape))


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a writable array in the byte order of this machine."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.writeable else array.copy()


DECODERS: dict[str, Callable[[bytes], Any]] = {
    "pickle": safe_pickle.loads,
    "npz": _decode_npz,
    "npy": _decode_npy,
    "idx": _decode_idx,
}
