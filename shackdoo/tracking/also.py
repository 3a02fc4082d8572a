"""Further trackers beside the journal, from installed packages.

A package provides one as an entry point of the group ``shackdoo.trackers``::

    [project.entry-points."shackdoo.trackers"]
    my-board = "my_package.board:open_board"

``open_board(run: RunIdentity)`` returns a :class:`~shackdoo.tracking.tracker.Tracker`, and
``tracking.also=[my-board]`` hands it what the journal gets, in the same order, secrets already
hidden; files that are redacted only when they are shipped (the diff) it does not get. It is
called by one thread of its own, a little later than the journal: it may take its time, and its
errors end nothing but itself. A file that it is handed may have changed by then.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from shackdoo.errors import RequestError, did_you_mean, listing
from shackdoo.tracking.tracker import Artifact, Attachment, Points, RunTracker, Status, Tracker

GROUP = "shackdoo.trackers"
LEAST_PATIENCE = 5.0  # seconds that a tracker has at the end to take what waits


@dataclass(frozen=True)
class RunIdentity:
    """What a tracker is told of the run when it is opened."""

    run_uid: str
    run_name: str
    experiment: str
    tag: str
    task: str


def find_trackers(names: Sequence[str]) -> list[EntryPoint]:
    """Return what provides the named trackers; none of it is loaded yet.

    Raises:
        RequestError: if no installed package provides a name.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    for name in names:
        if name not in known:
            raise RequestError(
                f"No tracker '{name}' for tracking.also.{did_you_mean(name, known)} Installed: "
                f"{listing(known)}. A package provides one as an entry point of the group "
                f"'{GROUP}'."
            )
    return [known[name] for name in names]


class Tee:
    """A tracker that hands everything to a first one, and then to others in their own time."""

    def __init__(self, first: RunTracker, others: Sequence[Patient]) -> None:
        self._first = first
        self._others = others

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters."""
        self._first.params(values)
        self._tell(lambda other: other.params(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics."""
        self._first.metrics(values, step)
        self._tell(lambda other: other.metrics(values, step))

    def metrics_at_steps(self, points: Points) -> None:
        """Record metrics at several steps; the others get them step by step."""
        self._first.metrics_at_steps(points)
        self._tell(lambda other: _each(other, points))

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        self._first.tags(values)
        self._tell(lambda other: other.tags(values))

    def attach(self, item: Attachment) -> None:
        """Record an attachment; what is to be redacted first goes to the first tracker only."""
        self._first.attach(item)
        if not (isinstance(item, Artifact) and item.redact):
            self._tell(lambda other: other.attach(item))

    def end(self, status: Status) -> None:
        """Close all records; the others get a while to take what waits."""
        self._first.end(status)
        for other in self._others:
            other.tell(lambda tracker: tracker.end(status))
        for other in self._others:
            other.close()

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        for other in self._others:
            other.tell(call)


class Patient:
    """Feeds one tracker from a queue, so that nobody waits for it and its errors stay its own."""

    def __init__(
        self,
        name: str,
        open_tracker: Callable[[], Tracker],
        notice: Callable[[str], None],
        patience: float,
    ) -> None:
        """Start the thread that opens the tracker and feeds it.

        Args:
            name: of the tracker, for people.
            open_tracker: makes it.
            notice: told in one line when it fails or is too slow.
            patience: seconds to wait at the end until it has taken everything.
        """
        self._name = name
        self._open = open_tracker
        self._notice = notice
        self._patience = max(patience, LEAST_PATIENCE)
        self._calls: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self._failed = False
        self._thread = threading.Thread(target=self._feed, name=f"tracker-{name}", daemon=True)
        self._thread.start()

    def tell(self, call: Callable[[Tracker], None]) -> None:
        """Queue a call."""
        if not self._failed:
            self._calls.put(call)

    def close(self) -> None:
        """Wait until the tracker has taken everything, for a while."""
        self._calls.put(None)
        end = time.monotonic() + self._patience
        self._thread.join(self._patience)
        if self._thread.is_alive() and time.monotonic() >= end:
            self._failed = True
            self._notice(
                f"warning: the tracker '{self._name}' has not taken {self._calls.qsize()} entries "
                f"within {self._patience:.0f} s; the journal has them all."
            )

    def _feed(self) -> None:
        try:
            tracker = self._open()
            while (call := self._calls.get()) is not None and not self._failed:
                call(tracker)
        except Exception as error:  # whatever another's code can raise
            self._failed = True
            self._notice(
                f"warning: the tracker '{self._name}' failed and gets nothing more: "
                f"{type(error).__name__}: {error}"
            )


def _each(tracker: Tracker, points: Points) -> None:
    for step, values in points:
        tracker.metrics(values, step)
