"""The run that the jobs of ``--multirun`` are parts of: their parent in the tracking store."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from shackdoo.commands.record_place import Place, open_place

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked

FLAGS = {"-m", "--multirun"}
INTERRUPTED = 128  # exit codes from here on are signals


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Multirun:
    """A context for the jobs that Hydra makes of one command line.

    Without ``--multirun`` there is one job, and it has no parent.

    Attributes:
        code: the worst exit code of the jobs so far.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.code = 0
        self._arguments = arguments
        self._place: Place | None = None

    def __enter__(self) -> Multirun:
        return self

    def run(self, checked: Checked, execute: Callable[[Checked], int]) -> int:
        """Run a job as a part of the whole; return its exit code."""
        if FLAGS & set(self._arguments) and checked.composed.config.tracking.enabled:
            self._place = self._place or self._opened(checked)
            checked = replace(checked, parent_uid=self._place.uid)
        code = execute(checked)
        self.code = max(self.code, code)
        return code

    def _opened(self, checked: Checked) -> Place:
        redactor, config = checked.redactor(), checked.composed.config
        place = open_place(checked, redactor, _say, "multirun")
        place.tracker.tags(
            {
                "shackdoo.task": config.task.name,
                "shackdoo.tag": config.tag,
                "shackdoo.kind": "multirun",
                "shackdoo.overrides": redactor.text(shlex.join(self._arguments)),
            }
        )
        place.start_shipping()
        return place

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._place is None:
            return
        if self.code >= INTERRUPTED:
            self._place.close("KILLED")
        else:
            self._place.close("FAILED" if self.code or error is not None else "FINISHED")
