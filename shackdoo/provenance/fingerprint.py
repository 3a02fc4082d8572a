"""Fingerprints of arrays: equal exactly when every bit, the shape and the type are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np


class Fingerprint(TypedDict):
    """Digest of all arrays together, and of each by its name."""

    sha256: str
    arrays: dict[str, str]


def array_digest(array: np.ndarray[Any, Any]) -> str:
    """Return the sha256 of the array's dtype, shape and bytes (C order, little endian)."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.name} {list(array.shape)}\n".encode())
    digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def fingerprint(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Fingerprint:
    """Return the digest of each array and one of all, names and order included."""
    each = {name: array_digest(array) for name, array in arrays.items()}
    lines = "".join(f"{name}\0{digest}\n" for name, digest in each.items())
    return {"sha256": hashlib.sha256(lines.encode()).hexdigest(), "arrays": each}


class RunningDigest:
    """The sha256 of columns that come in parts; the same columns and parts give the same."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, columns: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Append a part: arrays of numbers or of text, by their names."""
        for name, column in columns.items():
            if column.dtype.kind in "OSTU":
                content = "\0".join(map(str, column.tolist()))
            else:
                content = array_digest(column)
            self._digest.update(
                f"{name}\0{len(column)}\0{content}\n".encode("utf-8", "backslashreplace")
            )

    def hexdigest(self) -> str:
        """Return 64 hexadecimal digits."""
        return self._digest.hexdigest()
