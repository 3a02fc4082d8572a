"""The journal of a run: one JSON line an entry, appended to a file, and that is the truth.

An entry is acknowledged when :meth:`Journal.write` returns: the line is with the operating
system and survives any death of this process. A power cut can take the last second.

Whatever a crash left of a line is never fatal: a torn last line was not acknowledged and is cut
off; a line that can't be read (a disk's fault) is handed on as an entry of kind ``damaged``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shackdoo.errors import RunError
from shackdoo.tracking.tracker import (
    Artifact,
    Attachment,
    DataInput,
    Figure,
    Model,
    Points,
    Status,
)

JOURNAL = "journal.jsonl"
HELD = "held"  # locked by who closes the run after its writer has left
SYNC_SECONDS = 1.0
LOCK_SECONDS = 2.0
DAMAGED = "damaged"
# One sort of entry for each method of a tracker; `attach` names its item's class.
Entry = dict[str, Any]
ADDED_LATER: Entry = {"parent_uid": None, "keep_days": None}  # to the header

# Made once: the arguments of json.dumps would make an encoder for each entry.
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_TAIL = 1 << 16  # bytes looked through at once for the last line


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
        parent_uid: the run that this one is a part of, or None.
        keep_days: days until the run's folder may go once all of it is in the store; None: never.
        experiment_note: text above the runs of the experiment, if this run creates it.
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
    parent_uid: str | None
    keep_days: float | None
    experiment_note: str | None = None


class Journal:
    """Appends entries to the journal of one run and holds its lock while it is open.

    The lock, once free, tells others that the writer is gone.
    """

    def __init__(self, path: Path) -> None:
        """Create the file (mode 600) and lock it.

        Raises:
            BlockingIOError: if another process holds the lock, and not for a moment only.
        """
        self._path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        try:
            _lock(self._file)
        except BlockingIOError:
            os.close(self._file)
            raise
        self._writing = threading.Lock()
        self._unsynced = threading.Event()
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_each_second, daemon=True)
        self._syncer.start()

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry; it is acknowledged when this returns. Threads may call at once.

        Raises:
            RunError: if the disk doesn't take it; then nothing of it is in the journal.
            ValueError: if the journal is closed.
        """
        self.write_all([{"kind": kind, **fields}])

    def write_all(self, entries: Iterable[Entry]) -> None:
        """Append entries with one call of the system; otherwise like :meth:`write`."""
        now = now_ms()
        lines = "".join(
            _ENCODE({"kind": entry["kind"], "time": now, **entry}) + "\n" for entry in entries
        )
        with self._writing:
            if self._closing.is_set():  # the number of its file may be another file's by now
                raise ValueError("The run has ended; nothing can be recorded.")
            self._append(lines.encode())
        self._unsynced.set()

    def close(self) -> None:
        """Sync and release the lock."""
        with self._writing:
            self._closing.set()
        self._unsynced.set()
        self._syncer.join()
        self._sync()
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        """Append all of ``data`` or nothing; most often it is one call of the system."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            if written:
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise RunError(
                f"The journal {self._path} can't be written: {error.strerror}. Make room on that "
                f"disk, or set SHACKDOO_STATE to a folder on another one."
            ) from error

    def _sync_each_second(self) -> None:
        while not self._closing.is_set():
            self._unsynced.wait()
            self._unsynced.clear()
            self._sync()
            self._closing.wait(SYNC_SECONDS)

    def _sync(self) -> None:
        # A disk that fails here fails the next write too, and that one is heard.
        with contextlib.suppress(OSError):
            os.fsync(self._file)


class JournalTracker:
    """Records a run in its folder's journal; see :class:`~shackdoo.tracking.tracker.Tracker`."""

    def __init__(self, folder: Path, header: Header | None) -> None:
        """Open the journal of a run.

        Args:
            folder: the run's folder.
            header: of a new run, written as the first entry; None goes on with a journal that
                is there.

        Raises:
            BlockingIOError: if another process writes it.
        """
        self._folder = folder
        self._journal = Journal(folder / JOURNAL)
        if header is not None:
            self._journal.write("start", **asdict(header))
            return
        cut_torn_tail(folder / JOURNAL)
        self._journal.write("resume")

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters."""
        self._journal.write("params", values=dict(values))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics; NaN and infinities keep their names."""
        self.metrics_at_steps([(step, values)])

    def metrics_at_steps(self, points: Points) -> None:
        """Record metrics at several steps: all of them are on record when this returns."""
        self._journal.write_all(
            {"kind": "metrics", "step": step, "values": {k: float(v) for k, v in values.items()}}
            for step, values in points
        )

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        self._journal.write("tags", values=dict(values))

    def attach(self, item: Attachment) -> None:
        """Record an attachment; its file is copied into the run's folder, by its content's hash."""
        from shackdoo.tracking.blobs import keep_blob

        fields: dict[str, Any] = {}
        match item:
            case Artifact(path, folder, redact):
                fields = {"name": path.name, "folder": folder, "redact": redact}
                fields |= keep_blob(self._folder, path)
            case DataInput():
                fields = asdict(item)
            case Model(path, code=code):
                kept = None if code is None else keep_blob(self._folder, code)
                fields = {**asdict(item), "path": str(path), "code": kept}
                fields |= keep_blob(self._folder, path)
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

    A last line without its end (torn by a crash, or still being written) is left alone; a whole
    line that is no entry comes as one of kind ``damaged``.
    """
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield _entry(line), offset


def read_header(path: Path) -> Entry | None:
    """Return the first entry, with the fields that older journals do not have; None without one."""
    header, _ = next(read_entries(path), ({"kind": DAMAGED}, 0))
    return {**ADDED_LATER, **header} if header["kind"] == "start" else None


def last_entry(path: Path) -> Entry | None:
    """Return the last whole entry, read from the end of the file; None if there is none."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        tail = b""
        for start in range(max(0, end - _TAIL), -_TAIL, -_TAIL):
            at = max(0, start)
            file.seek(at)
            tail = file.read(end - at - len(tail)) + tail
            whole = tail[: tail.rfind(b"\n") + 1]
            before = whole.rfind(b"\n", 0, -1)
            if whole and (before >= 0 or at == 0):
                return _entry(whole[before + 1 :])
            if at == 0:
                break
    return None


def _entry(line: bytes) -> Entry:
    try:
        entry = json.loads(line)
        if isinstance(entry, dict) and isinstance(entry["kind"], str):
            return entry
    except (ValueError, KeyError):  # JSON's and Unicode's errors are ValueErrors
        pass
    return {"kind": DAMAGED, "bytes": len(line)}


def cut_torn_tail(path: Path) -> None:
    """Remove a last line without its end. Only for a journal whose writer is gone."""
    whole = 0
    for _, offset in read_entries(path):
        whole = offset
    if path.stat().st_size > whole:
        os.truncate(path, whole)


def writer_is_gone(path: Path) -> bool:
    """Return whether nobody holds the journal's lock, nor is to close the run for its writer.

    Whoever is to do that holds a lock on :data:`HELD` beside the journal.
    """
    held = path.with_name(HELD)
    return _is_free(path) and (not held.exists() or _is_free(held))


def _lock(file: int) -> None:
    """Take the lock. Who looks whether it is free, or closes a dead run, holds it for a moment."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _is_free(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look at the same time
        except BlockingIOError:
            return False
        return True


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
