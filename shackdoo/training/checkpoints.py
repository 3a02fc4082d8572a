"""The checkpoints of one run: when one is due, who writes it, which one is good.

The training hands over a copy of its state and goes on; a thread writes it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from shackdoo.errors import RunError
from shackdoo.training.checkpoint import DamagedError, Snapshot, read_checkpoint, write_checkpoint

ENDING = ".ckpt"
SHARE = 0.01  # of the time that checkpoints may take at most
NAMED = "step-{:010d}" + ENDING


class Checkpoints:
    """A context around a training loop: between two steps it may keep the state, or end it.

    Attributes:
        interruption: what the loop is to be ended with after the next checkpoint.
    """

    def __init__(
        self,
        folder: Path | None,
        seconds: float,
        keep: int,
        notice: Callable[[str], None],
        written: Callable[[Path, bool], None] = lambda path, last: None,
    ) -> None:
        """Keep checkpoints in ``folder``.

        Args:
            folder: made when it is needed; None keeps nothing, but ends the loop when asked.
            seconds: between two checkpoints at least.
            keep: how many are kept, the newest.
            notice: shows a line.
            written: told of each checkpoint, and whether it is the last before an interruption.
        """
        self._folder = folder
        self._seconds = seconds
        self._keep = keep
        self._notice = notice
        self._written = written
        self._last = time.monotonic()
        self._cost = 0.0
        self._inside = False
        self._writer: threading.Thread | None = None
        self._failed = False
        self.interruption: BaseException | None = None

    def __enter__(self) -> Checkpoints:
        self._inside = True
        self._last = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside = False
        self._wait()
        if error is None and self.interruption is not None:  # it came after the last step
            raise self.interruption

    @property
    def kept(self) -> bool:
        """Whether any are kept."""
        return self._folder is not None

    def interrupt(self, why: BaseException) -> bool:
        """Ask the loop to keep its state and raise ``why``; return whether it is there to do so.

        Asked twice it is not: then the caller has to raise it at once.
        """
        if not self._inside or self.interruption is not None:
            return False
        self.interruption = why
        return True

    def offer(self, snapshot: Callable[[], Snapshot], boundary: bool = False) -> None:
        """Keep the state if it is time to.

        Args:
            snapshot: returns a copy of the state.
            boundary: whether the next moment to do so may be far: then it is done whenever it
                costs next to nothing.

        Raises:
            BaseException: the interruption, once the state is on disk.
        """
        if self.interruption is not None:
            self._take(snapshot)
            self._wait()
            raise self.interruption
        if self._due(boundary):
            self._take(snapshot)

    def passing(self) -> None:
        """Raise the interruption, if there is one, where no state can be kept."""
        if self.interruption is not None:
            raise self.interruption

    def newest(self) -> Snapshot | None:
        """Return the newest checkpoint that is whole, or None; the damaged ones are told."""
        for path in reversed(self._files()):
            try:
                return read_checkpoint(path)
            except DamagedError as error:
                self._notice(
                    f"warning: the checkpoint {path} is damaged: {error}. The one before it is "
                    f"taken."
                )
                # Out of the way: by its number it would outlive the good ones that come now.
                path.rename(path.with_suffix(".damaged"))
        return None

    def discard(self) -> None:
        """Remove all of them, and what a killed writer has left."""
        if self._folder is not None and self._folder.is_dir():
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"step-*{ENDING}")) if self._folder is not None else []

    def _due(self, boundary: bool) -> bool:
        if self._folder is None or (self._writer is not None and self._writer.is_alive()):
            return False
        passed = time.monotonic() - self._last
        return passed >= max(0.0 if boundary else self._seconds, self._cost / SHARE)

    def _take(self, snapshot: Callable[[], Snapshot]) -> None:
        if (folder := self._folder) is None:
            return
        self._wait()
        began = time.perf_counter()
        taken = snapshot()
        copied = time.perf_counter() - began
        self._last = time.monotonic()
        self._writer = threading.Thread(
            target=self._write, args=(folder, taken, copied), name="checkpoint", daemon=True
        )
        self._writer.start()

    def _wait(self) -> None:
        if self._writer is not None:
            self._writer.join()
            self._writer = None

    def _write(self, folder: Path, snapshot: Snapshot, copied: float) -> None:
        began = time.thread_time()
        path = folder / NAMED.format(snapshot.steps)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            write_checkpoint(path, snapshot)
            for old in self._files()[: -self._keep]:
                old.unlink(missing_ok=True)
            self._written(path, self.interruption is not None)
        except (OSError, RunError) as error:
            self._warn(error)
        # CPU time: what waits for the disk takes nothing from the training.
        self._cost = copied + time.thread_time() - began

    def _warn(self, error: OSError | RunError) -> None:
        if not self._failed:
            self._failed = True
            self._notice(
                f"warning: no checkpoint can be written to {self._folder}: {error}. "
                f"Training goes on; killed, it would resume from an older one, or its beginning."
            )
