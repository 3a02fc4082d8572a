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


class LostBlobError(Exception):
    """A kept file is gone or damaged."""

    def __init__(self, sha256: str, why: str) -> None:
        super().__init__(f"the kept file {sha256} {why}")
        self.sha256 = sha256


def checked_blob(folder: Path, sha256: str) -> Path:
    """Return where the content with this digest lies.

    Raises:
        LostBlobError: if it is not there, or is not that content any more.
    """
    path = folder / BLOBS / sha256
    try:
        found = file_digest(path)
    except OSError as error:
        raise LostBlobError(sha256, f"can't be read: {error.strerror}") from None
    if found != sha256:
        raise LostBlobError(sha256, "is damaged")
    return path


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file so that ``target`` is whole or absent."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def named_copy(content: Path, name: Path) -> Path:
    """Return the content under another name: MLflow names an artifact after its file."""
    try:
        name.hardlink_to(content)
    except OSError:  # another file system
        shutil.copyfile(content, name)
    return name
