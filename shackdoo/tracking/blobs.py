"""Files of a run, kept in its folder by the sha256 of their content."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TypedDict

BLOBS = "blobs"


class Blob(TypedDict):
    """A kept file: digest of its content and size in bytes."""

    sha256: str
    size: int


def keep_blob(folder: Path, path: Path) -> Blob:
    """Copy the file's present content into the run's folder and return its digest.

    Whatever later happens to the file, the shipper ships what it was when it was attached.
    """
    blobs = folder / BLOBS
    blobs.mkdir(mode=0o700, exist_ok=True)
    part = blobs / f".{os.getpid()}-{path.name}.part"
    digest = hashlib.sha256()
    with path.open("rb") as source, part.open("wb") as target:
        os.fchmod(target.fileno(), 0o600)
        while block := source.read(1 << 20):
            digest.update(block)
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
        size = target.tell()
    part.replace(blobs / digest.hexdigest())
    return {"sha256": digest.hexdigest(), "size": size}


def blob_path(folder: Path, sha256: str) -> Path:
    """Return where the content with this digest lies."""
    return folder / BLOBS / sha256


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that ``target`` is whole or absent."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)
