"""Losses that Keras does not have. An adapter of Keras: import it where it is needed."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="shackdoo")
class SmoothedCrossentropy(keras.losses.Loss):  # type: ignore[misc]  # Keras is untyped
    """Softmax cross-entropy of logits and class indices, with label smoothing.

    Keras smooths labels for one-hot targets only. Source of the method: C. Szegedy et al.,
    "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567, section 7.
    """

    from_logits = True

    def __init__(self, label_smoothing: float, name: str = "smoothed_crossentropy") -> None:
        """Smooth by ``label_smoothing`` in [0, 1): the share spread evenly over all classes."""
        super().__init__(name=name)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, shape ``(batch,)``.

        Args:
            y_true: class indices, ``(batch,)`` or ``(batch, 1)``.
            y_pred: logits, ``(batch, classes)``.
        """
        classes = y_pred.shape[-1]
        labels = ops.one_hot(ops.reshape(ops.cast(y_true, "int32"), (-1,)), classes)
        smooth = labels * (1.0 - self.label_smoothing) + self.label_smoothing / classes
        return ops.categorical_crossentropy(smooth, y_pred, from_logits=True)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"label_smoothing": self.label_smoothing, "name": self.name}
