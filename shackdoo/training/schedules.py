"""Learning-rate schedules as shapes: fractions of the training and of the peak.

An adapter of Keras: import it where it is needed. The program supplies ``peak`` (the
optimizer's ``learning_rate``) and ``total_steps``; the YAML supplies the shape.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


class _Shape(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # untyped
    """A factor between 0 and 1 along the training, times the peak."""

    def __init__(self, peak: float, total_steps: int, **shape: float) -> None:
        self.peak = peak
        self.total_steps = total_steps
        self.shape = shape

    def __call__(self, step: Any) -> Any:
        progress = ops.cast(step, "float32") / float(max(1, self.total_steps))
        return self.peak * self.factor(ops.minimum(progress, 1.0))

    def factor(self, progress: Any) -> Any:
        """Return the part of the peak at ``progress``, a float tensor in [0, 1]."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "total_steps": self.total_steps, **self.shape}


class Triangle(_Shape):
    """Linear from ``start`` to the peak in the first ``warmup``, then linear to ``end``.

    Args:
        peak: highest learning rate.
        total_steps: steps of the whole training.
        warmup: fraction of the training until the peak is reached.
        start: learning rate of the first step, as a fraction of the peak.
        end: learning rate after the last step, as a fraction of the peak.
    """

    def __init__(
        self, peak: float, total_steps: int, warmup: float, start: float, end: float
    ) -> None:
        super().__init__(peak, total_steps, warmup=warmup, start=start, end=end)

    def factor(self, progress: Any) -> Any:  # noqa: D102  # inherited
        warmup, start, end = self.shape["warmup"], self.shape["start"], self.shape["end"]
        up = start + (1.0 - start) * progress / max(warmup, 1e-9)
        down = end + (1.0 - end) * (1.0 - progress) / max(1.0 - warmup, 1e-9)
        return ops.where(progress < warmup, up, down)


class Cosine(_Shape):
    """Linear from 0 to the peak in the first ``warmup``, then half a cosine down to ``end``.

    The decay is that of I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with
    Warm Restarts", arXiv:1608.03983, without restarts.
    """

    def __init__(self, peak: float, total_steps: int, warmup: float, end: float) -> None:
        super().__init__(peak, total_steps, warmup=warmup, end=end)

    def factor(self, progress: Any) -> Any:  # noqa: D102  # inherited
        warmup, end = self.shape["warmup"], self.shape["end"]
        fall = ops.maximum(progress - warmup, 0.0) / max(1.0 - warmup, 1e-9)
        down = end + (1.0 - end) * 0.5 * (1.0 + ops.cos(math.pi * fall))
        return ops.where(progress < warmup, progress / max(warmup, 1e-9), down)


class Exponential(_Shape):
    """From the peak down to ``ratio`` of it (more than 0), by the same ratio each step."""

    def __init__(self, peak: float, total_steps: int, ratio: float) -> None:
        super().__init__(peak, total_steps, ratio=ratio)

    def factor(self, progress: Any) -> Any:  # noqa: D102  # inherited
        return ops.exp(math.log(self.shape["ratio"]) * progress)
