"""Files that git neither tracks nor ignores: which of them are kept with a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from shackdoo.provenance.names import ODD, is_inside

MAX_FILE = 1 << 20  # bytes
MAX_ALL = 10 << 20
MOST = 1000  # files
SECRET_FILES = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "id_rsa*"),
    *("id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", ".pypirc", ".npmrc", ".pgpass"),
    *("credentials", "credentials.*", "secrets.*", "service-account*.json", ".htpasswd"),
)
CODE = (
    *(".py", ".pyx", ".ipynb", ".c", ".cc", ".cpp", ".cu", ".h", ".sh"),
    *(".yaml", ".yml", ".toml", ".cfg", ".ini", ".lock"),
)
# What a run leaves behind or reads as data, in the project's folder: data has its own digest.
OUTPUTS = ("data/", "mlruns/", "mlartifacts/", "mlflow.db")
OUTPUT = "it is data, or what a run has left"


@dataclass(frozen=True)
class Untracked:
    """What is kept, as names relative to the root, and what is not, each with why."""

    kept: tuple[str, ...]
    left_out: dict[str, str]


def sort_untracked(root: Path, names: Sequence[str], prefix: str = "") -> Untracked:
    """Tell which of the untracked files are kept; code comes first where there is not room for all.

    Args:
        root: of the repository.
        names: relative to it, as git tells them.
        prefix: the way from there to the project.
    """
    kept: list[str] = []
    left_out: dict[str, str] = {}
    room = MAX_ALL
    for name in sorted(names, key=lambda name: not is_code(name)):
        size = _size(root / name)
        why = _why_not(name, prefix, size, room)
        if why is None and len(kept) == MOST:
            why = f"they are more than {MOST}"
        if why is None and size is not None:
            kept.append(name)
            room -= size
        else:
            left_out[name] = str(why)
    return Untracked(tuple(kept), left_out)


def keep_file(source: Path, target: Path) -> str:
    """Copy a file, and whether it can be executed, so that the copy is whole or absent.

    Returns:
        The sha256 of what was copied.

    Raises:
        OSError: if it can't be read.
    """
    content = source.read_bytes()
    mode = 0o700 if os.access(source, os.X_OK) else 0o600
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{os.getpid()}.part")  # the file's own name may be as long as it gets
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.chmod(mode)
    part.replace(target)
    return hashlib.sha256(content).hexdigest()


def is_code(name: str) -> bool:
    """Return whether a file may be code or configuration by its name."""
    return PurePosixPath(name).suffix.lower() in CODE


def keeps_secrets(name: str) -> bool:
    """Return whether a file is a store of secrets by its name."""
    return any(fnmatch(PurePosixPath(name).name.lower(), each) for each in SECRET_FILES)


def _size(file: Path) -> int | None:
    """Return the size of a plain file, None of what is none."""
    try:
        return file.stat().st_size if file.is_file() and not file.is_symlink() else None
    except OSError:  # gone by now
        return None


def _why_not(name: str, prefix: str, size: int | None, room: int) -> str | None:
    own = name.removeprefix(prefix) if name.startswith(prefix) else ""
    if not is_inside(name):
        return ODD
    if own.startswith(OUTPUTS):
        return OUTPUT
    if keeps_secrets(name):
        return "its name says that it keeps secrets"
    if size is None:
        return "it is no plain file"
    if size > MAX_FILE:
        return f"it has more than {MAX_FILE >> 20} MB"
    if size > room:
        return f"all of them have more than {MAX_ALL >> 20} MB"
    return None
