"""The shipper: carries the journal of a run to the store, for as long as it takes."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shackdoo.tracking.blobs import blob_path
from shackdoo.tracking.journal import JOURNAL, Entry, read_entries
from shackdoo.tracking.shipping import Shipping, read_shipping, write_shipping
from shackdoo.tracking.state import close_if_dead, read_run

if TYPE_CHECKING:
    from shackdoo.tracking.mlflow_store import MlflowStore

Draw = Mapping[str, Callable[[dict[str, Any], Path], None]]

LOCK = "shipper.lock"
BATCH = 500  # entries carried at once
IDLE_SECONDS = 0.2  # between looks at a journal that has not grown
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between attempts, doubling
PATIENCE = 600.0  # seconds of failed attempts after the run's end until it is left to a later sync


def ship(folder: Path, draw: Draw, follow: bool) -> Shipping:
    """Carry the journal in ``folder`` to its store.

    Args:
        folder: the run's folder.
        draw: for each kind of picture, what draws it from its JSON into a file.
        follow: stay until the run has ended, and try again when the store fails; else carry
            what is there, once.

    Returns:
        How far the run has been carried. If another shipper has it in hand, how far that one is.
    """
    with _alone(folder) as alone:
        if not alone:
            return read_shipping(folder)
        return _Shipper(folder, draw).run(follow)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the shipper's lock of a run; say whether it was free."""
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())  # for whoever wants to know who has the run
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


class _Shipper:
    def __init__(self, folder: Path, draw: Draw) -> None:
        self.folder = folder
        self.draw = draw
        self.shipping = read_shipping(folder)
        self.store: MlflowStore | None = None

    def run(self, follow: bool) -> Shipping:
        """Carry until the end of the run, or of the journal, or of patience."""
        wait, failing_since = FIRST_WAIT, time.monotonic()
        while not self.shipping.done:
            try:
                moved = self.carry_some()
            except Exception as error:  # whatever a store, a network or a disk can raise
                self._save(error=_one_line(error))
                print(f"not shipped: {_one_line(error)}", file=sys.stderr, flush=True)
                self.store = None
                if not follow or self._out_of_patience(failing_since):
                    break
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            wait, failing_since = FIRST_WAIT, time.monotonic()
            if not moved:
                if self._writer_died() or follow:
                    time.sleep(IDLE_SECONDS)
                else:
                    break
        return self.shipping

    def carry_some(self) -> bool:
        """Carry what the journal has beyond what was carried; return whether there was any."""
        entries = read_entries(self.folder / JOURNAL, self.shipping.offset)
        batch = list(itertools.islice(entries, BATCH))
        if not batch:
            return False
        store = self._opened()
        plain: list[Entry] = []
        for entry, offset in batch:
            if entry["kind"] in ("metrics", "params", "tags"):
                plain.append(entry)
                continue
            if plain:
                store.log(plain)
                plain = []
            self._carry(store, entry)
            self._save(offset=offset, done=entry["kind"] == "end", error=None)
        if plain:
            store.log(plain)
        self._save(offset=batch[-1][1], error=None)
        return True

    def _opened(self) -> MlflowStore:
        """Return the run in the store, found again or created."""
        if self.store is None:
            from shackdoo.tracking.mlflow_store import MlflowStore

            header, _ = next(read_entries(self.folder / JOURNAL))
            self.store = MlflowStore(header, self.shipping.mlflow_run_id)
            self._save(mlflow_run_id=self.store.run_id)
        return self.store

    def _carry(self, store: MlflowStore, entry: Entry) -> None:
        """Carry one entry that is not a number or a text."""
        match entry["kind"]:
            case "start":
                store.client.set_tag(store.run_id, "shackdoo.run_uid", entry["run_uid"])
            case "artifact":
                store.upload(self._blob(entry), entry["name"], entry["folder"])
            case "datainput":
                store.log_input(entry)
            case "model":
                store.log_model(entry, self._blob(entry))
            case "figure":
                store.upload(self._drawn(entry), Path(entry["file"]).name, entry["folder"])
            case "end":
                store.end(entry["status"], entry.get("died") or entry["time"])

    def _drawn(self, entry: Entry) -> Path:
        file = Path(entry["file"])
        content = json.loads(self._blob(entry).read_text(encoding="utf-8"))
        self.draw[entry["figure"]](content, file)
        return file

    def _blob(self, entry: Entry) -> Path:
        return blob_path(self.folder, entry["sha256"])

    def _writer_died(self) -> bool:
        """Close the run if its writer is gone; return whether there is an end to be carried."""
        run = read_run(self.folder)
        return run is not None and run.status is None and close_if_dead(run)

    def _out_of_patience(self, failing_since: float) -> bool:
        run = read_run(self.folder)
        if run is not None and run.status is None:
            close_if_dead(run)
            return False
        return time.monotonic() - failing_since > PATIENCE

    def _save(self, **changes: Any) -> None:
        changed = replace(self.shipping, **changes)
        if changed != self.shipping:
            self.shipping = changed
            write_shipping(self.folder, changed)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}"
