"""What the training process needs of the shipper: start it, look at how far it is, wait for it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shackdoo.tracking.journal import JOURNAL

SHIPPER_LOG = "shipper.log"
POLL_SECONDS = 0.1


class RunDeletedError(Exception):
    """Somebody has deleted the run from its store; sending it again would not be their wish."""


def shipping_file(to: str | None = None) -> str:
    """Return the name of the file that tells how far a run is: in its own store, or in ``to``."""
    return f"shipping{_suffix(to)}.json"


def lock_file(to: str | None = None) -> str:
    """Return the name of the file that a shipper of a run locks, one for each store."""
    return f"shipper{_suffix(to)}.lock"


def _suffix(to: str | None) -> str:
    return "" if to is None else f"-{hashlib.sha256(to.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Shipping:
    """How far the journal of a run has been carried.

    Attributes:
        offset: bytes of the journal that the store has.
        done: whether the store has all of it, the run's end included; it may never get all of
            a run that was deleted there, which :attr:`error` tells.
        mlflow_run_id: the run in the store, or None before it exists.
        error: why the last attempt failed, in one line, or None.
    """

    offset: int = 0
    done: bool = False
    mlflow_run_id: str | None = None
    error: str | None = None


def read_shipping(folder: Path, to: str | None = None) -> Shipping:
    """Return how far the run in ``folder`` has been carried to its own store, or to ``to``.

    A run that was resumed after all of it had been carried is not done any more; one whose folder
    was removed is: that happens to what its store has.
    """
    try:
        found = Shipping(**json.loads((folder / shipping_file(to)).read_text(encoding="utf-8")))
        # The journal is asked: a shipper may write "done" the moment after the run has gone on.
        if found.done and found.error is None and _lines(folder, found.offset):
            return replace(found, done=False)
    except FileNotFoundError:
        return Shipping(done=not folder.exists())
    return found


def write_shipping(folder: Path, shipping: Shipping, to: str | None = None) -> None:
    """Put on disk how far the run has been carried; the file is whole at any moment."""
    path = folder / shipping_file(to)
    part = path.with_name(f".{path.name}.part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(asdict(shipping)), encoding="utf-8")
    part.replace(path)


def entries_left(folder: Path, to: str | None = None) -> int:
    """Return how many entries of the journal the store has not got yet."""
    shipping = read_shipping(folder, to)
    return 0 if shipping.done else _lines(folder, shipping.offset)


def _lines(folder: Path, offset: int) -> int:
    """Return how many whole lines of the journal there are from ``offset`` on."""
    with (folder / JOURNAL).open("rb") as file:
        file.seek(offset)
        return sum(line.endswith(b"\n") for line in file)


def start_shipper(folder: Path) -> None:
    """Start the process that carries this run's journal; it outlives the caller."""
    _start_sync(folder.parent.parent, folder / SHIPPER_LOG, "--follow", folder.name)


def start_sync(state: Path) -> None:
    """Start a process that closes dead runs and carries what is left of any; it outlives us."""
    _start_sync(state, state / SHIPPER_LOG)


def _start_sync(state: Path, log: Path, *arguments: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        subprocess.Popen(
            [sys.executable, "-m", "shackdoo.cli", "sync", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is the training's, not the shipper's
            env={**os.environ, "SHACKDOO_STATE": str(state)},
        )
    finally:
        os.close(output)


def wait_shipped(folder: Path, seconds: float) -> Shipping:
    """Wait until the run is in the store, at most so many seconds; return how far it is."""
    end = time.monotonic() + seconds
    while not (shipping := read_shipping(folder)).done and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return shipping
