"""Files that git neither tracks nor ignores: which of them may be shipped with a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

MAX_FILE = 1 << 20  # bytes
MAX_ALL = 10 << 20
SECRET_FILES = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "id_rsa*"),
    *("id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", ".pypirc", ".npmrc", ".pgpass"),
    *("credentials", "credentials.*", "secrets.*", "service-account*.json", ".htpasswd"),
)


@dataclass(frozen=True)
class Untracked:
    """What may be shipped, as names relative to the root, and what may not, each with why."""

    shippable: tuple[str, ...]
    left_out: dict[str, str]


def sort_untracked(root: Path, names: Sequence[str]) -> Untracked:
    """Tell which of the untracked files may be shipped.

    Args:
        root: of the repository.
        names: relative to it, as git tells them.
    """
    shippable: list[str] = []
    left_out: dict[str, str] = {}
    room = MAX_ALL
    for name in names:
        why = _why_not(root / name, name, room)
        if why is None:
            shippable.append(name)
            room -= (root / name).stat().st_size
        else:
            left_out[name] = why
    return Untracked(tuple(shippable), left_out)


def keeps_secrets(name: str) -> bool:
    """Return whether a file is a store of secrets by its name."""
    return any(fnmatch(PurePosixPath(name).name.lower(), each) for each in SECRET_FILES)


def _why_not(file: Path, name: str, room: int) -> str | None:
    if keeps_secrets(name):
        return "its name says that it keeps secrets"
    if file.is_symlink() or not file.is_file():
        return "it is no plain file"
    size = file.stat().st_size
    if size > MAX_FILE:
        return f"it has more than {MAX_FILE >> 20} MB"
    if size > room:
        return f"all of them have more than {MAX_ALL >> 20} MB"
    return None
