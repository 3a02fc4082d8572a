"""Keras callbacks that write down what the training itself took; named in a configuration.

An adapter of Keras: benchmarks name one as ``callbacks.clock._target_``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import keras


class TrainingClock(keras.callbacks.Callback):
    """Writes ``{"wall": …, "cpu": …}``: seconds of the training, with compiling and validation."""

    def __init__(self, file: str) -> None:
        """Write to ``file`` when the training ends."""
        super().__init__()
        self.file = Path(file)
        self._began = (0.0, 0.0)

    def on_train_begin(self, logs: object = None) -> None:
        """Start both clocks."""
        self._began = (time.perf_counter(), time.process_time())

    def on_train_end(self, logs: object = None) -> None:
        """Write both down."""
        wall = time.perf_counter() - self._began[0]
        cpu = time.process_time() - self._began[1]
        self.file.write_text(json.dumps({"wall": wall, "cpu": cpu}), encoding="utf-8")


class LastEpochClock(TrainingClock):
    """Writes the seconds of the last epoch, with its validation; the first one has compiled."""

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Start both clocks anew."""
        self.on_train_begin()


class StepClock(TrainingClock):
    """Writes also ``{"longest_gap": …}``: seconds between the ends of two steps of an epoch."""

    def __init__(self, file: str, skip: int) -> None:
        """Leave the first ``skip`` steps of each epoch out: they compile, or evaluate before."""
        super().__init__(file)
        self.skip = skip
        self._last = 0.0
        self._gaps: list[float] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Keep the time since the step before."""
        now = time.perf_counter()
        if batch >= self.skip:
            self._gaps.append(now - self._last)
        self._last = now

    def on_train_end(self, logs: object = None) -> None:
        """Write them down."""
        super().on_train_end(logs)
        took = json.loads(self.file.read_text(encoding="utf-8"))
        took |= {"longest_gap": max(self._gaps), "steps": len(self._gaps)}
        self.file.write_text(json.dumps(took), encoding="utf-8")
