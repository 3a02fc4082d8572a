"""A trained model as its task uses it: raw inputs in, answers out.

An adapter of Keras: import it where it is needed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shackdoo.errors import RunError
from shackdoo.task import Task
from shackdoo.training.answers import Answers
from shackdoo.training.dataset import leaves, map_arrays

SIZES = (1, 32, 1000)  # inputs to a call: one program for each, what is less is filled up


class Predictor:
    """Predicts with a trained model, prepared and read by its task.

    Attributes:
        task: whose model it is.
        model: the Keras model.
    """

    def __init__(self, task: Task, model: keras.Model, xla: bool = True) -> None:
        """Make it.

        Args:
            task: prepares inputs and reads outputs.
            model: of the task, trained.
            xla: compile the model with XLA: slower for the first inputs, faster for many.
        """
        self.task = task
        self.model = model
        self._xla = xla
        self._program = self._compiled()

    @classmethod
    def load(cls, task: Task, path: Path, xla: bool = True) -> Predictor:
        """Return it with the model in a ``.keras`` file, which is opened in Keras' safe mode.

        Raises:
            RunError: if it can't be loaded so.
        """
        try:
            with _named(path) as file:
                model = keras.saving.load_model(file, compile=False, safe_mode=True)
        except Exception as error:  # whatever a damaged or foreign file makes Keras raise
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            first = first.partition(" If you trust")[0]  # no way around it is advised here
            raise RunError(
                f"The model {path} can't be loaded in Keras' safe mode: {first} Train the task "
                f"again, or name another run."
            ) from error
        return cls(task, model, xla)

    def answers(self, inputs: Any) -> Answers:
        """Return the answers to raw inputs, none of which the task refuses, one row each."""
        return self.task.answers(self.outputs(self.task.prepare(inputs)))

    def no_answers(self) -> Answers:
        """Return the columns of answers, without a row."""
        one = tf.nest.map_structure(
            lambda output: np.zeros([1, *(size or 1 for size in output.shape[1:])], np.float32),
            self.model.output,
        )
        return {name: column[:0] for name, column in self.task.answers(one).items()}

    def outputs(self, prepared: Any) -> Any:
        """Return the model's outputs for prepared inputs, as NumPy arrays."""
        count = len(leaves(prepared)[0])
        if count == 0:
            raise ValueError("no inputs")
        size = next((size for size in SIZES if count <= size), SIZES[-1])
        rows = (slice(start, start + size) for start in range(0, count, size))
        parts = [self._some(_taken(prepared, some), size) for some in rows]
        return tf.nest.map_structure(lambda *rows: np.concatenate(rows), *parts)

    def _some(self, inputs: Any, size: int) -> Any:
        """Return the outputs for at most ``size`` inputs; the program is made for just so many."""
        count = len(leaves(inputs)[0])
        filled = map_arrays(lambda leaf: tf.convert_to_tensor(_filled(leaf, size)), inputs)
        outputs = self._run(filled)
        return tf.nest.map_structure(lambda rows: rows.numpy()[:count], outputs)

    def _run(self, inputs: Any) -> Any:
        try:
            return self._program(inputs)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            if not self._xla:
                raise
            self._xla = False  # XLA can't take every model
            self._program = self._compiled()
            return self._program(inputs)

    def _compiled(self) -> Any:
        def call(inputs: Any) -> Any:
            return self.model(inputs, training=False)

        return tf.function(call, jit_compile=self._xla, reduce_retracing=False)


@contextmanager
def _named(path: Path) -> Iterator[Path]:
    """Give the file under a name that ends in ``.keras``, which is what Keras goes by."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        file.symlink_to(path.absolute())
        yield file


def _taken(inputs: Any, rows: slice) -> Any:
    return map_arrays(lambda leaf: leaf[rows], inputs)


def _filled(rows: Any, size: int) -> Any:
    """Return the rows with the last one repeated up to ``size``."""
    return rows if len(rows) == size else rows[np.minimum(np.arange(size), len(rows) - 1)]
