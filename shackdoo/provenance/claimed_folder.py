"""A folder that one process at a time works in: the lock is on the folder itself.

Who is killed loses the lock; a child that it has handed the lock to holds it until it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def claim(part: Path, tell: Callable[[], None]) -> int:
    """Make a folder and lock it; return the lock, an open file.

    Args:
        part: the folder; it and the two above it are the user's alone.
        tell: is called if another process has it, which is waited for.
    """
    for folder in (part.parents[1], part.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        part.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(part, os.O_RDONLY)
        except FileNotFoundError:  # whoever had it has just renamed it
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell()
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_locked(part, lock):
            return lock
        os.close(lock)  # it has been renamed or removed meanwhile


def _is_locked(part: Path, lock: int) -> bool:
    try:
        return os.path.samestat(part.stat(), os.fstat(lock))
    except FileNotFoundError:
        return False


def remove_claimed(part: Path, lock: int) -> None:
    """Remove a folder if it is still the one that is locked."""
    if _is_locked(part, lock):
        shutil.rmtree(part, ignore_errors=True)


def remove_unclaimed(part: Path) -> None:
    """Remove a folder unless a process works in it."""
    with contextlib.suppress(OSError):
        lock = os.open(part, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_claimed(part, lock)
        finally:
            os.close(lock)
