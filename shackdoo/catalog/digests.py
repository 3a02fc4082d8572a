"""Digests of whole files, each computed once per process as long as the file stays the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal digits.

    Raises:
        OSError: if it can't be read.
    """
    state = path.stat()
    return _digest(path, state.st_mtime_ns, state.st_size)


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joint_digest(digests: Mapping[str, str]) -> str:
    """Return one digest of several files: sha256 of the lines ``name digest``, sorted."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
