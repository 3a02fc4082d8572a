"""The code of a logged model that prepares and answers as its task does.

MLflow loads it from the model's folder, and shackdoo from the source that was logged beside it,
in ``code/``: what is installed need not be the same, and need not be there at all.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


class TaskModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is untyped here
    """Predicts with the Keras model among its artifacts, by the task that was trained."""

    def load_context(self, context: Any) -> None:
        """Make the task and load the model."""
        from shackdoo.serving import load

        artifacts = {name: Path(path) for name, path in context.artifacts.items()}
        self.served = load(artifacts["task"], artifacts["model"])
        _warn_of_others(artifacts["model"].parents[1] / "code")

    # No type hints here: MLflow would read them as the signature, which is recorded already.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Return the answers to a batch of inputs: ``label``, ``probability``, a column a class."""
        import pandas

        from shackdoo.errors import ShackdooError

        try:
            return pandas.DataFrame(self.served.answers(model_input))
        except (ShackdooError, ValueError) as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


def _warn_of_others(code: Path) -> None:
    """Warn if modules were loaded before that are not the same as those of the model."""
    others = []
    for file in code.rglob("*.py"):
        name = ".".join(file.relative_to(code).with_suffix("").parts).removesuffix(".__init__")
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded and Path(loaded).is_file() and Path(loaded).read_bytes() != file.read_bytes():
            others.append(name)
    if others:
        warnings.warn(
            f"This process had loaded {', '.join(sorted(others))} before the model, in another "
            f"version than the model was trained with. To predict with the model's own, load it "
            f"in a process of its own.",
            stacklevel=2,
        )


set_model(TaskModel())
