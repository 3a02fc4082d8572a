"""The metrics after each step of a training, collected inside the program that takes the steps.

An adapter of TensorFlow: import it where it is needed.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

Followed = dict[str, Any]


class Following:
    """Collects what a model's metrics are after each step.

    Nothing more is computed in what XLA compiles: following a training must not change its bits.
    A step hands out the state of the metrics, which it has anyway, and what they are is computed
    from that for all steps at once. Metrics that are not Keras' own may go by more than their
    state: they are read after each step, which takes longer.
    """

    def __init__(self, model: keras.Model, wanted: bool) -> None:
        """Follow ``model`` if ``wanted``; else nothing is collected."""
        self._model = model
        self._wanted = wanted
        self._from_state = False
        self._names: list[str] = []
        self._values = 0
        self._packed = False

    def from_state(self) -> None:
        """Tell the metrics from their state, if they are built by now and allow it."""
        self._from_state = self._wanted and _are_told_by_state(self._model)

    def state(self) -> list[Any]:
        """Return what a step hands out."""
        return [tf.convert_to_tensor(each) for each in self._variables()]

    def begin(self, steps: Any) -> list[Any]:
        """Return the arrays that a loop of so many steps fills."""
        results = self._results()
        followed = self._variables() or list(results.values())
        self._names, self._values = list(results), len(followed)
        # Each array of a loop costs time at each step, so that alike ones are one.
        self._packed = len({(each.dtype, tuple(each.shape)) for each in followed}) == 1
        arrays = followed[:1] if self._packed else followed
        return [tf.TensorArray(each.dtype, steps) for each in arrays]

    def write(self, arrays: list[Any], step: Any, state: list[Any]) -> list[Any]:
        """Put what a step has handed out into the arrays."""
        values = state or list(self._results().values())
        packed = [tf.stack(values)] if self._packed else values
        pairs = zip(arrays, packed, strict=False)  # a trace that builds the metrics has more
        return [array.write(step, value) for array, value in pairs]

    def end(self, arrays: list[Any]) -> Followed:
        """Return each metric by its name, after each step: ``(steps,)``."""
        stacked = [array.stack() for array in arrays]
        if self._packed:
            stacked = tf.unstack(stacked[0], self._values, axis=1)
        if not self._from_state:
            return dict(zip(self._names, stacked, strict=True))
        found: Followed = tf.vectorized_map(self._results_from, stacked)
        return found

    def _variables(self) -> list[Any]:
        return list(self._model.metrics_variables) if self._from_state else []

    def _results(self) -> Followed:
        if not self._wanted:
            return {}
        try:
            results: Followed = self._model.get_metrics_result()
        except ValueError:  # not built yet: a trace that builds them is made once more
            return {}
        return results

    def _results_from(self, state: list[Any]) -> Followed:
        """Return what the metrics are in a state of theirs."""
        pairs = zip(self._variables(), state, strict=True)
        with keras.StatelessScope(state_mapping=list(pairs)):
            return self._results()


def _are_told_by_state(model: keras.Model) -> bool:
    """Return whether metrics are there and Keras' own."""
    parts = [part for each in model.metrics for part in getattr(each, "metrics", (each,))]
    told = [model.get_metrics_result, *(part.result for part in parts)]
    built = bool(parts) and all(getattr(each, "built", True) for each in model.metrics)
    return built and all(method.__module__.startswith("keras.") for method in told)
