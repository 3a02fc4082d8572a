"""Containers whose starter is gone: a killed one leaves its training running.

Each ``mlflow run``, and each target of make that starts a container, notes it in
``containers/<process id>.cid`` of the state folder.
"""

from __future__ import annotations

import contextlib
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from shackdoo.provenance.image import in_container

CONTAINERS = "containers"
SUFFIXES = (".cid", ".env")  # the container's id; variables that its entry point removes
CLOCK = 2.0  # seconds by which the time of a process's start may be wrong
MAKING_SECONDS = 60.0  # `docker run` may outlive its caller and still note a container
SHOWN = 12  # digits of a container's id, for people
NOT_RUNNING = ("created", "exited", "dead", "removing")


def stop_left_containers(state: Path) -> None:
    """Stop the containers in whose place of ``mlflow run`` there is nobody; say so.

    Only those that this state folder names are touched. Without an engine all stays as it is.

    Args:
        state: the state folder.
    """
    if in_container():  # the processes of the host can't be seen from here
        return
    notes = [note for suffix in SUFFIXES for note in (state / CONTAINERS).glob(f"*{suffix}")]
    left = [note for note in notes if note.stem.isdigit() and _is_left(note)]
    for note in left:
        if note.suffix == ".env":
            note.unlink(missing_ok=True)
    if ids := [note for note in left if note.suffix == ".cid"]:
        _stop(ids)


def _is_left(note: Path) -> bool:
    """Return whether the process that a note is named after is gone; its number may be another's.

    A note that vanishes meanwhile is somebody's who is not gone.
    """
    import psutil

    try:
        written = note.stat().st_mtime
        process = psutil.Process(int(note.stem))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return bool(process.create_time() > written + CLOCK)
    except psutil.NoSuchProcess:
        return True
    except (OSError, psutil.Error):
        return False


def _stop(notes: list[Path]) -> None:
    from shackdoo.commands.engine import NoEngineError, engine

    with contextlib.suppress(NoEngineError), engine() as client:
        for note in notes:
            if _stop_one(client, note):
                note.unlink(missing_ok=True)


def _remove(container: Any) -> None:
    """Remove a container that has ended, or never ran; the engine may be doing so already."""
    from docker.errors import APIError

    try:
        container.remove()
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def _stop_one(client: Any, note: Path) -> bool:
    """Stop a note's container; return whether the note has done its duty."""
    from docker.errors import APIError, NotFound
    from requests import RequestException

    try:
        identifier = note.read_text(encoding="utf-8").strip()
        if not identifier:  # `docker run` was ended before it had a container, or is making one
            return time.time() - note.stat().st_mtime > MAKING_SECONDS
        container = client.containers.get(identifier)
        if container.status in NOT_RUNNING:
            _remove(container)
            return True
        print(
            f"stopping container {identifier[:SHOWN]}, whose starter (`mlflow run`, make, "
            f"`shackdoo reproduce`) is gone; a training in it is closed as KILLED",
            file=sys.stderr,
            flush=True,
        )
        container.stop()
    except (NotFound, FileNotFoundError):
        return True
    except (APIError, RequestException, OSError) as error:
        print(
            f"warning: the container of {note}, whose starter is gone, can't be stopped: "
            f"{' '.join(str(error).split())}. `docker stop` may tell more.",
            file=sys.stderr,
        )
        return False
    return True
