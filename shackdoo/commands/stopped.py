"""A run that has stopped before its end, and may go on: what it was made of, what it has left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shackdoo.errors import RequestError
from shackdoo.provenance.compare import Difference
from shackdoo.tracking.continued import Recorded, read_recorded
from shackdoo.tracking.journal import Entry, JournalTracker
from shackdoo.tracking.state import LocalRun

if TYPE_CHECKING:
    from shackdoo.commands.captured import Captured

REQUEST, MANIFEST, CHECKPOINTS = "request.json", "manifest.json", "checkpoints"
MOST_TOLD = 12  # differences in one message


@dataclass(frozen=True)
class Stopped:
    """A run of this machine's state folder that has not finished.

    Attributes:
        folder: the run's folder.
        header: its journal's first entry.
        manifest: what it was made of.
        overrides: of its configuration, as typed.
        same_as: the configuration that they change, as JSON has it, if it is another run's.
        changes: what differs by now, and is accepted.
        now: what it is made of by now, if that has been looked at.
    """

    folder: Path
    header: Entry
    manifest: Mapping[str, Any]
    overrides: tuple[str, ...]
    same_as: Mapping[str, Any] | None
    changes: tuple[Difference, ...] = ()
    now: Captured | None = None

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self.folder.name

    @property
    def threads(self) -> int | None:
        """With how many threads it was computed, None if it never came to that."""
        threads: int | None = self.manifest["determinism"].get("threads_used")
        return threads

    @cached_property
    def recorded(self) -> Recorded:
        """What its journal has, from before it goes on."""
        return read_recorded(self.folder / "journal.jsonl")

    def go_on(self) -> JournalTracker:
        """Open its record again.

        Raises:
            RequestError: if another process has it open.
        """
        _ = self.recorded  # read before it is written again
        try:
            return JournalTracker(self.folder, None)
        except BlockingIOError:
            raise RequestError(_running(self.uid)) from None

    def accepting(self, changes: Sequence[Difference], now: Captured) -> Stopped:
        """Return it with what it is made of now, and differences that are to be passed over."""
        return replace(self, changes=tuple(changes), now=now)


def read_stopped(run: LocalRun) -> Stopped:
    """Return a run that may go on.

    Raises:
        RequestError: if it has finished, or is no training, or has not recorded what it is.
    """
    name = f"The run {run.uid[:8]} ({run.header['run_name']})"
    if run.status == "FINISHED":
        raise RequestError(
            f"{name} has finished; there is nothing left to resume. To train its model further, "
            f"start a new run from its weights: init_from={run.uid[:8]}."
        )
    files = run.folder / "files"
    try:
        manifest = json.loads((files / MANIFEST).read_text(encoding="utf-8"))
        request = json.loads((files / REQUEST).read_text(encoding="utf-8"))
        overrides, same_as = request["overrides"], request.get("same_as")
    except (OSError, ValueError, KeyError):
        raise RequestError(
            f"{name} can't be resumed: it is no training of this version of shackdoo, or it was "
            f"stopped before it had recorded what it is. Start it anew: shackdoo train."
        ) from None
    return Stopped(run.folder, run.header, manifest, tuple(overrides), same_as)


def refuse_running(run: LocalRun) -> None:
    """Raise a RequestError if the run is going on at this moment; ``run`` was just read."""
    if run.status is None:
        raise RequestError(_running(run.uid))


def told(changes: Sequence[Difference]) -> str:
    """Return differences for people, a line each."""
    lines = [f"  {change}" for change in changes[:MOST_TOLD]]
    if len(changes) > MOST_TOLD:
        lines.append(f"  … and {len(changes) - MOST_TOLD} more")
    return "\n".join(lines)


def _running(uid: str) -> str:
    return (
        f"The run {uid[:8]} is going on: another process of this machine writes its journal. "
        f"Stop that one first; `shackdoo runs` shows it."
    )
