"""The record of a run that another process computes, and that is closed here, with the verdict."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from shackdoo.tracking.journal import HELD, JOURNAL, Journal, cut_torn_tail
from shackdoo.tracking.listing import ListedRun, listed
from shackdoo.tracking.shipping import start_shipper
from shackdoo.tracking.state import make_run_folder, new_run_uid, read_run


class HeldRecord:
    """A context that holds the record of a new run; without an end it leaves it as KILLED.

    Attributes:
        uid: of the run.
        folder: of its record.
    """

    def __init__(self, state: Path) -> None:
        self.uid = new_run_uid()
        self._state = state
        self._shipped = False
        self._ended = False

    def __enter__(self) -> HeldRecord:
        self.folder = make_run_folder(self._state, self.uid)
        self._lock = os.open(self.folder / HELD, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ended:
            self.end("KILLED")
        os.close(self._lock)

    @property
    def begun(self) -> bool:
        """Whether the process that computes has made its first entry."""
        return read_run(self.folder) is not None

    def ship_when_begun(self) -> None:
        """Start the shipper once there is something to be shipped."""
        if not self._shipped and self.begun:
            self._shipped = True
            start_shipper(self.folder)

    def listed(self) -> ListedRun:
        """Return the run as it is listed."""
        run = read_run(self.folder)
        if run is None:
            raise FileNotFoundError(self.folder / JOURNAL)
        return listed(run)

    def tags(self, values: Mapping[str, str]) -> None:
        """Tag the run; its process must have ended."""
        self._write("tags", values=dict(values))

    def link(self, uid: str, values: Mapping[str, str]) -> None:
        """Let the store tag another run, if it has it."""
        self._write("link", run_uid=uid, values=dict(values))

    def end(self, status: str) -> None:
        """Close the record; one that was never begun goes."""
        self._ended = True
        if not self.begun:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        self._write("end", status=status)
        self.ship_when_begun()

    def _write(self, kind: str, **fields: object) -> None:
        cut_torn_tail(self.folder / JOURNAL)
        journal = Journal(self.folder / JOURNAL)
        journal.write(kind, **fields)
        journal.close()
