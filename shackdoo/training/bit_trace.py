"""A callback that writes down the bits of every variable after every step.

An adapter of Keras: import it where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from shackdoo.training.bits import StepBits

Digest = Callable[[np.ndarray[Any, Any]], str]


class BitTrace(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
    """Keeps a digest of each variable of model and optimizer, before the first step and after each.

    It acts on batches, so the loop runs one step at a time; that changes no bit. Put it behind
    the other callbacks, and it sees what they have done.

    Attributes:
        steps: the initial state, then the state after each step.
    """

    def __init__(self, digest: Digest) -> None:
        """Keep what ``digest`` returns for the array of a variable."""
        super().__init__()
        self._digest = digest
        self.steps: list[StepBits] = []

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Keep the initial state. Of an optimizer that is not built yet there is little."""
        self.steps = [self._seen(None)]

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keep the state after a step."""
        loss = (logs or {}).get("loss")
        self.steps.append(self._seen(None if loss is None else float(loss).hex()))

    def _seen(self, loss: str | None) -> StepBits:
        arrays: dict[str, str] = {}
        for variable in (*self.model.variables, *self.model.optimizer.variables):
            name, number = variable.path, 1
            while name in arrays:  # paths need not be unique
                number += 1
                name = f"{variable.path} ({number})"
            arrays[name] = self._digest(keras.ops.convert_to_numpy(variable))
        return StepBits(loss, arrays)
