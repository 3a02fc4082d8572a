"""Where a reproduction works: a folder that goes with it, and what killed ones have left.

Each is a folder of its own under ``reproductions`` in the state folder, locked by the process that
works in it. A free lock tells that this one is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from shackdoo.commands.left_containers import stop_left_containers
from shackdoo.errors import StoreError
from shackdoo.provenance.image import in_container

if TYPE_CHECKING:
    import psutil

FOLDER = "reproductions"
ENVIRONMENTS = "environments"  # of Pythons that were built
LOCK, CHILD = "lock", "child.json"
MAKING_SECONDS = 60.0  # between the folder and its lock
ENDING_SECONDS = 10.0  # for a training to close its record
CLOCK = 0.05  # seconds by which two readings of a process's start may differ


@contextlib.contextmanager
def scratch_folder(state: Path) -> Iterator[Path]:
    """Give a folder that is removed in the end, and by the next command if this one is killed.

    Raises:
        StoreError: if it can't be made.
    """
    folder = state / FOLDER / uuid.uuid4().hex
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lock is held before the folder has its name: nobody takes it for one that was left.
        part = folder.with_name(f".{folder.name}.part")
        part.mkdir(mode=0o700)
        lock = os.open(part / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        part.rename(folder)
    except OSError as error:
        raise StoreError(
            f"The state folder {state} can't be written: {error.strerror}. A run is reproduced "
            f"there; set SHACKDOO_STATE to a folder of yours."
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def note_child(folder: Path, child: psutil.Process) -> None:
    """Note the process that trains, so that it can be stopped if its caller is killed."""
    entry = {"pid": child.pid, "started": child.create_time()}
    part = folder / f".{CHILD}.part"
    part.write_text(json.dumps(entry), encoding="utf-8")
    part.replace(folder / CHILD)


def clear_left(state: Path) -> None:
    """Clear away what killed commands have left: containers, and reproductions with their tree."""
    stop_left_containers(state)
    clear_left_reproductions(state)
    if (state / ENVIRONMENTS).is_dir():
        from shackdoo.provenance.environments import clear_half_built

        clear_half_built(state)


def clear_left_reproductions(state: Path) -> None:
    """Remove what killed reproductions have left; a training of theirs is stopped, and closes."""
    if in_container():  # the processes of the host can't be seen from here
        return
    for folder in (state / FOLDER).glob("*"):
        _clear(folder)


def _clear(folder: Path) -> None:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        _clear_unlocked(folder)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.name.startswith(".") and time.time() - folder.stat().st_mtime < MAKING_SECONDS:
            return
        _stop_child(folder)
        shutil.rmtree(folder, ignore_errors=True)
        print(f"removed what a killed reproduction had left in {folder}", file=sys.stderr)
    except BlockingIOError:
        pass  # it is at work
    finally:
        os.close(lock)


def _clear_unlocked(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime > MAKING_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _stop_child(folder: Path) -> None:
    """End the training that a killed reproduction has left running."""
    import psutil

    try:
        noted = json.loads((folder / CHILD).read_text(encoding="utf-8"))
        process = psutil.Process(noted["pid"])
        if abs(process.create_time() - noted["started"]) > CLOCK:
            return  # the number is another process's by now
        process.terminate()
        process.wait(ENDING_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
    except (OSError, ValueError, psutil.Error):
        return
