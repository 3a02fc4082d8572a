"""A Keras callback that writes down what the training itself took; named in a configuration.

An adapter of Keras: its benchmark names it as ``callbacks.clock._target_``.
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
