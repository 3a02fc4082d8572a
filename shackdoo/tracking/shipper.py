"""The shipper: carries the journal of a run to the store, for as long as it takes."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shackdoo.errors import StoreError
from shackdoo.imports import uncollected
from shackdoo.tracking.blobs import LostBlobError, checked_blob, copy_whole
from shackdoo.tracking.journal import (
    DAMAGED,
    JOURNAL,
    Entry,
    read_entries,
    read_header,
    writer_is_gone,
)
from shackdoo.tracking.server import ask, knock
from shackdoo.tracking.shipping import (
    POLL_SECONDS,
    RunDeletedError,
    Shipping,
    lock_file,
    read_shipping,
    write_shipping,
)
from shackdoo.tracking.state import close_if_dead, read_run
from shackdoo.tracking.store import is_server, without_password

if TYPE_CHECKING:
    from shackdoo.tracking.mlflow_store import MlflowStore

BATCH = 1000  # entries carried at once
IDLE_SECONDS = 0.2  # between looks at a journal that has not grown
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds between attempts, doubling
PATIENCE = 600.0  # seconds of failed attempts after the run's end until it is left to a later sync
SHARE = 0.05  # of a processor that is taken while the run goes on
LONGEST_REST = 10.0  # seconds, for the sake of whoever looks on
PLAIN = ("metrics", "params", "tags")


@dataclass(frozen=True)
class Workshop:
    """What is done to files on their way, by those who know how.

    Attributes:
        draw: for each kind of picture, what draws it from its content into a file.
        redact: writes a file anew without the secrets in it: ``redact(source, target)``.
    """

    draw: Mapping[str, Callable[[dict[str, Any], Path], None]]
    redact: Callable[[Path, Path], None]


def ship(
    folder: Path,
    workshop: Workshop,
    *,
    follow: bool = False,
    to: str | None = None,
    progress: Callable[[int], None] = lambda offset: None,
) -> Shipping:
    """Carry the journal in ``folder`` to a store.

    Args:
        folder: the run's folder.
        workshop: what is done to files on their way.
        follow: stay until the run has ended, wait for another shipper of it, and try again when
            the store fails; else carry what is there, once.
        to: address of the store; None for the one the run belongs into.
        progress: told how many bytes of the journal the store has, each time it has more.

    Returns:
        How far the run has been carried. If another shipper has it in hand, how far that one is.
    """
    while True:
        with _alone(folder / lock_file(to)) as alone:
            if alone:
                return _Shipper(folder, workshop, to, progress).run(follow)
        shipping = read_shipping(folder, to)
        # Whoever has it may be a sync that leaves when it has carried what is there at the moment.
        if shipping.done or not follow:
            return shipping
        time.sleep(IDLE_SECONDS)


class _UndrawableError(Exception):
    """The content of a picture makes none."""


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Hold the shipper's lock of a run; say whether it was free."""
    file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    def __init__(
        self, folder: Path, workshop: Workshop, to: str | None, progress: Callable[[int], None]
    ) -> None:
        self.folder = folder
        self.workshop = workshop
        self.to = to
        self.progress = progress
        self.shipping = read_shipping(folder, to)
        self.store: MlflowStore | None = None
        self._worked = 0.0  # seconds of a processor that the last piece took
        header = read_header(folder / JOURNAL)
        if header is None:
            raise ValueError(f"{folder / JOURNAL} is no journal")
        self.header = header
        self.address = to or str(header["tracking_uri"])

    def run(self, follow: bool) -> Shipping:
        """Carry until the end of the run, or of the journal, or of patience."""
        wait, failing_since = FIRST_WAIT, time.monotonic()
        while not self._finished():
            try:
                moved = self.carry_some()
            except Exception as error:  # whatever a store, a network or a disk can raise
                self._failed(error, aloud=follow)
                if isinstance(error, RunDeletedError):
                    break
                if not follow or self._out_of_patience(failing_since):
                    break
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            wait, failing_since = FIRST_WAIT, time.monotonic()
            if moved and follow:
                self._rest()
            if not moved:
                if self._writer_died() or follow:
                    time.sleep(IDLE_SECONDS)
                else:
                    break
        return self.shipping

    def _finished(self) -> bool:
        """Return whether there is no more to come; a run that was resumed has more to come."""
        if not self.shipping.done:
            return False
        if self.shipping.error is not None or next(self._entries(), None) is None:
            return True
        self._save(done=False)
        return False

    def _failed(self, error: Exception, aloud: bool) -> None:
        """Note why; a run that somebody deleted from the store is not sent again."""
        why = self._reason(error)
        self._save(error=why, done=isinstance(error, RunDeletedError))
        if aloud:
            print(f"not shipped: {why}", file=sys.stderr, flush=True)
        self.store = None

    def _reason(self, error: Exception) -> str:
        """Return why, in the plain words of who asks a server directly, if that fails as well."""
        if is_server(self.address):
            try:
                ask(self.address, "experiments/search", {"max_results": 1})
            except StoreError as plain:
                return str(plain).rstrip(".")
        return without_password(_one_line(error), self.address)

    def carry_some(self) -> bool:
        """Carry what the journal has beyond what was carried; return whether there was any."""
        if next(self._entries(), None) is None:
            return False
        store = self._opened()  # it may turn out that all has to be sent again
        began = time.process_time()
        batch = list(itertools.islice(self._entries(), BATCH))
        for plain, group in itertools.groupby(batch, lambda pair: pair[0]["kind"] in PLAIN):
            some = list(group)
            if plain:
                store.log([entry for entry, _ in some])
                self._save(offset=some[-1][1], error=None)
                continue
            for entry, offset in some:
                self._carry(store, entry)
                self._save(offset=offset, done=entry["kind"] == "end", error=None)
        self._worked = time.process_time() - began
        return True

    def _rest(self) -> None:
        """Leave the processors to the run, for as long as it goes on.

        Idle ones are not free: two of them are often the threads of one core, and caches are
        shared. What a training records at every step would keep a shipper busy all the time; what
        is left at the run's end goes at once.
        """
        until = time.monotonic() + min(self._worked * (1 / SHARE - 1), LONGEST_REST)
        while time.monotonic() < until and not writer_is_gone(self.folder / JOURNAL):
            time.sleep(POLL_SECONDS)

    def _entries(self) -> Iterator[tuple[Entry, int]]:
        return read_entries(self.folder / JOURNAL, self.shipping.offset)

    def _opened(self) -> MlflowStore:
        """Return the run in the store, found again or created."""
        if self.store is None:
            if is_server(self.address):
                knock(self.address)  # whoever is away is not worth the import of MLflow
            with uncollected("mlflow"):
                from shackdoo.tracking.mlflow_store import MlflowStore

                store = MlflowStore(self.header, self.to, self.shipping.mlflow_run_id)
            if store.run_id != self.shipping.mlflow_run_id:  # a new run begins at the beginning
                self._save(mlflow_run_id=store.run_id, offset=0)
            self.store = store
        return self.store

    def _carry(self, store: MlflowStore, entry: Entry) -> None:
        """Carry one entry that is not a number or a text."""
        try:
            self._carry_whole(store, entry)
        except LostBlobError as lost:  # it will not come back; the rest must not wait for it
            print(f"lost: {lost}", file=sys.stderr, flush=True)
            store.client.set_tag(store.run_id, f"shackdoo.lost.{lost.sha256[:8]}", str(lost))
        except _UndrawableError as failed:  # nor will this be drawn another time
            print(failed, file=sys.stderr, flush=True)
            name = f"shackdoo.not_drawn.{entry['figure']}"
            store.client.set_tag(store.run_id, name, str(failed))

    def _carry_whole(self, store: MlflowStore, entry: Entry) -> None:
        match entry["kind"]:
            case "start":
                store.begin(self.header, self._parent_is_here(self.header))
            case "artifact":
                with self._prepared(entry) as file:
                    store.upload(file, entry["name"], entry["folder"])
            case "datainput":
                store.log_input(entry)
            case "model":
                code = entry.get("code")  # journals of older versions have none
                store.log_model(entry, self._blob(entry), code and self._blob(code))
            case "figure":
                store.upload(self._drawn(entry), Path(entry["file"]).name, entry["folder"])
            case "resume":
                store.resume()
            case "end":
                store.end(entry["status"], entry.get("died") or entry["time"])
            case "link":
                store.tag_other(entry["run_uid"], entry["values"])
            case "damaged":
                store.client.set_tag(store.run_id, "shackdoo.journal", DAMAGED)

    def _parent_is_here(self, header: Entry) -> bool:
        parent = header["parent_uid"]
        return parent is not None and read_run(self.folder.with_name(parent)) is not None

    @contextmanager
    def _prepared(self, entry: Entry) -> Iterator[Path]:
        """Give the file as it may leave this machine."""
        blob = self._blob(entry)
        if not entry["redact"]:
            yield blob
            return
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / entry["name"]
            self.workshop.redact(blob, target)
            yield target

    def _drawn(self, entry: Entry) -> Path:
        """Return the picture, drawn; it goes into the project as well, if that is still there."""
        file = Path(entry["file"])
        content = json.loads(self._blob(entry).read_text(encoding="utf-8"))
        picture = self.folder / "files" / file.name
        picture.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            self.workshop.draw[entry["figure"]](content, picture)
        except OSError:
            raise
        except Exception as error:  # whatever odd content makes those who draw it raise
            raise _UndrawableError(f"not drawn: {_one_line(error)}") from error
        picture.chmod(0o600)  # as all that lies in a run's folder
        with contextlib.suppress(OSError):
            copy_whole(picture, file)
        return picture

    def _blob(self, entry: Entry) -> Path:
        return checked_blob(self.folder, entry["sha256"])

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
            write_shipping(self.folder, changed, self.to)
            self.progress(changed.offset)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}"
