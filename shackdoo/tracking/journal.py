"""The journal of a run: one JSON line an entry, appended to a file, and that is the truth.

An entry is acknowledged when :meth:`Journal.write` returns: the line is with the operating
system and survives any death of this process. A power cut can take the last second.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shackdoo.tracking.tracker import Artifact, Attachment, DataInput, Figure, Model, Status

JOURNAL = "journal.jsonl"
SYNC_SECONDS = 1.0
# One sort of entry for each method of a tracker; `attach` names its item's class.
Entry = dict[str, Any]


@dataclass(frozen=True)
class Header:
    """What a run is, in the first entry of its journal.

    Attributes:
        run_uid: names the run on every machine.
        experiment: MLflow experiment.
        run_name: name of the run in the store.
        tracking_uri: the store it belongs into.
        mlflow_run_id: an existing run to be joined, or None to create one.
        user: who started it.
        source: the program, as it was called.
        project_root: the folder that relative artifact locations refer to.
        start_time: milliseconds since 1970.
    """

    run_uid: str
    experiment: str
    run_name: str
    tracking_uri: str
    mlflow_run_id: str | None
    user: str
    source: str
    project_root: str
    start_time: int


class Journal:
    """Appends entries to the journal of one run and holds its lock while it is open.

    The lock, once free, tells others that the writer is gone.
    """

    def __init__(self, path: Path) -> None:
        """Create the file (mode 600) and lock it."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._unsynced = threading.Event()
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_each_second, daemon=True)
        self._syncer.start()

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry; it is acknowledged when this returns."""
        entry = {"kind": kind, "time": now_ms(), **fields}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
        _write_all(self._file, line.encode())
        self._unsynced.set()

    def close(self) -> None:
        """Sync and release the lock."""
        self._closing.set()
        self._unsynced.set()
        self._syncer.join()
        os.fsync(self._file)
        os.close(self._file)

    def _sync_each_second(self) -> None:
        while not self._closing.is_set():
            self._unsynced.wait()
            self._unsynced.clear()
            os.fsync(self._file)
            self._closing.wait(SYNC_SECONDS)


class JournalTracker:
    """Records a run in its folder's journal; see :class:`~shackdoo.tracking.tracker.Tracker`."""

    def __init__(self, folder: Path, header: Header) -> None:
        """Open the journal of a new run.

        Args:
            folder: the run's folder; it exists and is empty.
            header: written as the first entry.
        """
        self._folder = folder
        self._journal = Journal(folder / JOURNAL)
        self._journal.write("start", **asdict(header))

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters."""
        self._journal.write("params", values=dict(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics; NaN and infinities keep their names."""
        numbers = {name: float(value) for name, value in values.items()}
        self._journal.write("metrics", step=step, values=numbers)

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        self._journal.write("tags", values=dict(values))

    def attach(self, item: Attachment) -> None:
        """Record an attachment; its file is copied into the run's folder, by its content's hash."""
        from shackdoo.tracking.blobs import keep_blob

        fields: dict[str, Any] = {}
        match item:
            case Artifact(path, folder):
                fields = {"name": path.name, "folder": folder, **keep_blob(self._folder, path)}
            case DataInput():
                fields = asdict(item)
            case Model():
                fields = {**asdict(item), "path": str(item.path)}
                fields |= keep_blob(self._folder, item.path)
            case Figure():
                fields = {"figure": item.kind, "file": str(item.file), "folder": item.folder}
                fields |= keep_blob(self._folder, item.data)
        self._journal.write(type(item).__name__.lower(), **fields)

    def end(self, status: Status) -> None:
        """Close the record and release the lock."""
        self._journal.write("end", status=status)
        self._journal.close()


def read_entries(path: Path, offset: int = 0) -> Iterator[tuple[Entry, int]]:
    """Yield each whole entry from ``offset`` on, with the offset behind it.

    A last line without its end (torn by a crash, or still being written) is left alone.
    """
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield json.loads(line), offset


def cut_torn_tail(path: Path) -> None:
    """Remove a last line without its end. Only for a journal whose writer is gone."""
    whole = 0
    for _, offset in read_entries(path):
        whole = offset
    if path.stat().st_size > whole:
        os.truncate(path, whole)


def writer_is_gone(path: Path) -> bool:
    """Return whether nobody holds the journal's lock."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _write_all(file: int, data: bytes) -> None:
    """Write all of ``data``; a short write (a full disk) raises on the rest."""
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, data[written:])
