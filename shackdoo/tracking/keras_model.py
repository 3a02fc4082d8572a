"""The code that ships with each logged model: MLflow loads it from there, not from shackdoo.

It needs nothing but the packages pinned with the model; the ``.keras`` file is opened in
Keras' safe mode, and no pickle is involved.
"""

from __future__ import annotations

from typing import Any

import mlflow.pyfunc
from mlflow.models import set_model


class KerasModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is untyped here
    """Predicts with the Keras model among its artifacts."""

    def load_context(self, context: Any) -> None:
        """Load the model."""
        import keras

        # Without the training's own loss and optimizer, which prediction does not need.
        self.model = keras.saving.load_model(
            context.artifacts["model"], compile=False, safe_mode=True
        )

    # No type hints here: MLflow would read them as the signature, which is recorded already.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return the model's outputs for a batch of inputs, as a NumPy array."""
        return self.model.predict(model_input, verbose=0)


set_model(KerasModel())
