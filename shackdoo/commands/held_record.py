"""The record of a run that another process computes, and that is closed here, with the verdict."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType

from shackdoo.tracking.journal import HELD, JOURNAL, Journal, cut_torn_tail
from shackdoo.tracking.listing import ListedRun, listed
from shackdoo.tracking.shipping import start_shipper
from shackdoo.tracking.state import make_run_folder, new_run_uid, read_run

TOLD = "told_status"  # file in which the process that computes leaves how it ended


class HeldRecord:
    """A context that holds the record of a new run, and ends it.

    Attributes:
        uid: of the run.
        folder: of its record.
        status: with which it ends.
    """

    def __init__(self, state: Path) -> None:
        self.uid = new_run_uid()
        self._state = state
        self.status = "KILLED"
        self._shipped = False

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
        self._end()
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
        self._journal.write("tags", values=dict(values))

    def link(self, uid: str, values: Mapping[str, str]) -> None:
        """Let the store tag another run, if it has it."""
        self._journal.write("link", run_uid=uid, values=dict(values))

    def told_status(self) -> str | None:
        """Return with what the process that computes has ended the run; None if it was killed."""
        path = self.folder / TOLD
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def _end(self) -> None:
        """Close the record; one that was never begun goes."""
        if not self.begun:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        self._journal.write("end", status=self.status)
        self._journal.close()
        self.ship_when_begun()

    @cached_property
    def _journal(self) -> Journal:
        """The journal, opened when its writer has left."""
        journal = Journal(self.folder / JOURNAL)
        cut_torn_tail(self.folder / JOURNAL)
        return journal
