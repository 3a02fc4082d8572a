"""A trained model as its task uses it: raw inputs in, answers out.

An adapter of Keras: import it where it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shackdoo.catalog.inputs.batch import together
from shackdoo.errors import RequestError, RunError
from shackdoo.task import Task
from shackdoo.training.answers import Answers
from shackdoo.training.build import keras_file
from shackdoo.training.dataset import leaves, map_arrays

TOLD = 10  # refused inputs that a message names
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
            with keras_file(path) as file:
                model = keras.saving.load_model(file, compile=False, safe_mode=True)
        except Exception as error:  # whatever a damaged or foreign file makes Keras raise
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            first = first.partition(" If you trust")[0]  # no way around it is advised here
            raise RunError(
                f"The model {path} can't be loaded in Keras' safe mode: {first} Train the task "
                f"again, or name another run."
            ) from error
        return cls(task, model, xla)

    def predict(self, inputs: Any) -> Answers:
        """Return the answers to raw inputs: name of a column to its values, one an input.

        Args:
            inputs: a list of inputs, each an array, or an array with a row an input.

        Raises:
            RequestError: if an input can't be understood; the message names its position.
        """
        gathered = together(inputs)
        if refused := self.refusals(gathered):
            told = (f"input {place}: {why}" for place, why in sorted(refused.items())[:TOLD])
            raise RequestError(
                f"{len(refused)} of {len(gathered)} inputs can't be understood (positions count "
                f"from 0). {'; '.join(told)}. Give a list of inputs, or an array with a row an "
                f"input."
            )
        return self.answers(gathered)

    def answers(self, inputs: Any) -> Answers:
        """Return the answers to inputs that :meth:`refusals` has nothing against.

        Args:
            inputs: what :func:`~shackdoo.catalog.inputs.batch.together` returns.

        Raises:
            RunError: if the task can't prepare inputs of several shapes.
        """
        try:
            prepared = self.task.prepare(inputs)
        except Exception as error:
            if not isinstance(inputs, list):
                raise
            shapes = sorted({str(np.shape(one)) for one in inputs})
            raise RunError(
                f"{type(self.task).__name__}.prepare failed on a list of {len(inputs)} inputs of "
                f"the shapes {', '.join(shapes[:TOLD])}: {type(error).__name__}: {error}. It gets "
                f"an array where all are of one shape, else a list; `refusals` may refuse shapes."
            ) from error
        return self.task.answers(self.outputs(self._typed(prepared)))

    def refusals(self, inputs: Any) -> dict[int, str]:
        """Return why an input can't be understood, by its position.

        Of a task that prepares nothing, inputs must have the shape that the model takes.
        """
        refused = dict(self.task.refusals(inputs))
        if type(self.task).prepare is Task.prepare and len(self.model.inputs) == 1:
            wanted = tuple(self.model.inputs[0].shape[1:])
            for place, one in enumerate(inputs):
                if not fits(np.shape(one), wanted):
                    refused.setdefault(place, _misfit(np.shape(one), wanted))
        return refused

    def _typed(self, prepared: Any) -> Any:
        """Return an array of the type that the model takes, where no number changes by that."""
        if isinstance(prepared, list) and len(self.model.inputs) == 1:
            prepared = np.stack(prepared)
        if not isinstance(prepared, np.ndarray):
            return prepared
        wanted = np.dtype(self.model.inputs[0].dtype)
        if prepared.dtype == wanted or "c" in prepared.dtype.kind + wanted.kind:
            return prepared
        typed = prepared.astype(wanted)
        return typed if wanted.kind == "f" or (typed == prepared).all() else prepared

    def no_answers(self) -> Answers:
        """Return the columns of answers, without a row."""
        inputs = [
            np.zeros([1, *(size or 1 for size in tensor.shape[1:])], np.dtype(tensor.dtype))
            for tensor in self.model.inputs
        ]
        outputs = self.outputs(inputs[0] if len(inputs) == 1 else inputs)
        return {name: column[:0] for name, column in self.task.answers(outputs).items()}

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


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Return whether an array of a shape is what a model takes; None is any size."""
    same = len(shape) == len(wanted)
    return same and all(w in (None, size) for size, w in zip(shape, wanted, strict=True))


def _misfit(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> str:
    takes = " x ".join("any" if size is None else str(size) for size in wanted)
    found = " x ".join(map(str, shape)) or "a single number"
    return f"its shape is {found}; the model takes {takes}"


def _taken(inputs: Any, rows: slice) -> Any:
    return map_arrays(lambda leaf: leaf[rows], inputs)


def _filled(rows: Any, size: int) -> Any:
    """Return the rows with the last one repeated up to ``size``."""
    return rows if len(rows) == size else rows[np.minimum(np.arange(size), len(rows) - 1)]
