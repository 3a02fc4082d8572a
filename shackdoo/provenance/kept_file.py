"""A file of a run's record, seen to be the one that was recorded before anything is made of it."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shackdoo.provenance.redacted_head import redacted_places

Why = Literal["absent", "large", "redacted", "changed", "damaged"]


class UnlikeError(Exception):
    """A kept file is not what was recorded.

    Attributes:
        why: in a word.
        places: where secrets were taken out of it, as ``file:line  kind``.
    """

    def __init__(self, why: Why, places: Sequence[str] = ()) -> None:
        super().__init__(why)
        self.why = why
        self.places = tuple(places)


@dataclass(frozen=True)
class Member:
    """A file in a kept archive; its name may be anything."""

    name: str
    content: bytes
    executable: bool


def kept_content(path: Path | None, digest: str, most: int) -> bytes:
    """Return the content of a kept file.

    Args:
        path: where it is, None if it is nowhere.
        digest: sha256 that was recorded.
        most: bytes that are read.

    Raises:
        UnlikeError: if it is not there, larger, or another one.
    """
    if path is None:
        raise UnlikeError("absent")
    if path.stat().st_size > most:
        raise UnlikeError("large")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() == digest:
        return content
    places = redacted_places(content)
    raise UnlikeError("changed") if places is None else UnlikeError("redacted", places)


def kept_path(path: Path | None, digest: str, most: int) -> Path:
    """Return where a kept file is, once its content was seen to be the recorded one.

    Raises:
        UnlikeError: as :func:`kept_content`.
    """
    if path is None:
        raise UnlikeError("absent")
    kept_content(path, digest, most)
    return path


def kept_members(path: Path | None, digest: str, most: int) -> list[Member]:
    """Return the files of a kept archive.

    Raises:
        UnlikeError: if it is not the recorded one, is no archive, or has more bytes than ``most``.
    """
    kept_content(path, digest, most)
    if not zipfile.is_zipfile(str(path)):
        raise UnlikeError("damaged")
    with zipfile.ZipFile(str(path)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if sum(entry.file_size for entry in entries) > most:
            raise UnlikeError("large")
        return [
            Member(each.filename, archive.read(each), bool(each.external_attr >> 16 & 0o111))
            for each in entries
        ]
