"""The runs of this machine: one folder each under the state folder."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shackdoo.errors import RequestError, StoreError
from shackdoo.tracking.journal import (
    JOURNAL,
    Entry,
    Journal,
    cut_torn_tail,
    last_entry,
    read_header,
    writer_is_gone,
)
from shackdoo.tracking.shipping import read_shipping, shipping_file

RUNS = "runs"


@dataclass(frozen=True)
class LocalRun:
    """A run in this machine's state folder.

    Attributes:
        folder: the run's folder.
        header: its journal's first entry.
        status: FINISHED, FAILED or KILLED, or None while it has not ended.
    """

    folder: Path
    header: Entry
    status: str | None

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self.folder.name

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.folder / JOURNAL


def new_run_uid() -> str:
    """Return a name for a new run, unique on all machines: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def make_run_folder(state: Path, uid: str, made: bool = False) -> Path:
    """Create and return the folder of a new run, readable by its owner only.

    Args:
        state: the state folder.
        uid: of the run.
        made: the folder may be there already.

    Raises:
        StoreError: if it can't be created.
    """
    folder = state / RUNS / uid
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=made)
    except OSError as error:
        raise StoreError(
            f"The state folder {state} can't be written: {error.strerror}. Journals of runs are "
            f"kept there; set SHACKDOO_STATE to a folder of yours."
        ) from None
    return folder


def local_runs(state: Path) -> list[LocalRun]:
    """Return all runs of this machine, the newest first."""
    runs = [run for folder in _folders(state) if (run := read_run(folder)) is not None]
    return sorted(runs, key=lambda run: int(run.header["start_time"]), reverse=True)


def _folders(state: Path) -> Iterator[Path]:
    runs = state / RUNS
    return runs.iterdir() if runs.is_dir() else iter(())


def read_run(folder: Path) -> LocalRun | None:
    """Return the run in ``folder``, or None if its writer died before the first entry."""
    journal = folder / JOURNAL
    if not journal.is_file():
        return None
    header, last = read_header(journal), last_entry(journal)
    if header is None or last is None:
        return None
    return LocalRun(folder, header, last["status"] if last["kind"] == "end" else None)


def find_run(state: Path, wanted: str) -> LocalRun:
    """Return the run whose uid begins with ``wanted``; ``latest`` is the newest.

    Raises:
        RequestError: if there is none, or more than one.
    """
    runs = local_runs(state)
    found = runs[:1] if wanted == "latest" else [r for r in runs if r.uid.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        newest = ", ".join(run.uid[:8] for run in runs[:5]) or "none"
        raise RequestError(
            f"No run '{wanted}' in {state / RUNS}. The newest there: {newest}. Give a run's uid, "
            f"or the beginning of it."
        )
    raise RequestError(
        f"'{wanted}' is the beginning of {len(found)} runs: "
        f"{', '.join(sorted(run.uid for run in found))}. Give more of it."
    )


def close_if_dead(run: LocalRun) -> bool:
    """End a run whose writer is gone without a last word: KILLED, at the time of its last entry.

    Returns:
        Whether the run has an end now.
    """
    if run.status is not None:
        return True
    if not writer_is_gone(run.journal):
        return False
    try:
        journal = Journal(run.journal)
    except BlockingIOError:  # it is resumed
        return False
    cut_torn_tail(run.journal)
    last = last_entry(run.journal) or {}
    if last.get("kind") != "end":
        journal.write("end", status="KILLED", died=last.get("time"))
    journal.close()
    return True


def prune(state: Path) -> list[str]:
    """Remove the folders of runs that their store has whole, when their time is over.

    How long that is stands in each journal's header (``tracking.keep_days`` of its run).

    Returns:
        The uids of the runs that are gone.
    """
    gone = [run for run in local_runs(state) if _may_go(run)]
    for run in gone:
        doomed = run.folder.with_name(f".{run.uid}.gone")
        run.folder.rename(doomed)  # at once, so that nobody finds half a run
    for doomed in (state / RUNS).glob(".*.gone"):
        shutil.rmtree(doomed, ignore_errors=True)
    return [run.uid for run in gone]


def _may_go(run: LocalRun) -> bool:
    days = run.header["keep_days"]
    if days is None or run.status is None or not read_shipping(run.folder).done:
        return False
    last = (run.folder / shipping_file()).stat().st_mtime
    return bool(time.time() - last > days * 24 * 3600)
