"""How a training looks to the one who waits: a bar on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Never, TextIO

from shackdoo.metric_names import EPOCH_TIMINGS

if TYPE_CHECKING:
    from tqdm import tqdm


class Progress:
    """Writes the progress of a training to a stream; an observer of the loop."""

    def __init__(self, epochs: int, stream: TextIO | None = None) -> None:
        """Write to ``stream`` (standard error if None) about a training of so many epochs."""
        self.epochs = epochs
        self.stream = stream or sys.stderr
        self._bar: tqdm[Never] | None = None

    def epoch_started(self, epoch: int, steps: int) -> None:
        """Open a bar, if somebody is looking."""
        if not self.stream.isatty():
            return
        from tqdm import tqdm

        self._bar = tqdm(
            total=steps, desc=self._name(epoch), unit="step", file=self.stream, leave=False
        )

    def advanced(self, step: int, logs: dict[str, float]) -> None:
        """Move the bar to ``step``."""
        if self._bar is not None:
            self._bar.set_postfix(logs, refresh=False)
            self._bar.update(step - self._bar.n)

    def epoch_ended(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the epoch's line."""
        self.close()
        shown = (name for name in logs if name not in EPOCH_TIMINGS)
        numbers = "  ".join(f"{name} {logs[name]:.4g}" for name in shown)
        self.notice(f"{self._name(epoch)}  {numbers}  {logs['epoch_seconds']:.1f} s")

    def notice(self, text: str) -> None:
        """Write a line."""
        print(text, file=self.stream, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch}/{self.epochs}"
