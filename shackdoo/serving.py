"""A trained model as it is served: inputs as they come over the wire in, answers out.

This is what a logged model runs, from the copy of shackdoo's source that was logged with it.
An adapter of Keras: import it where it is needed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shackdoo.catalog import Catalog
from shackdoo.catalog.inputs.encoded import InputError, decoded
from shackdoo.config.project import Project
from shackdoo.config.schema import Config
from shackdoo.errors import RequestError
from shackdoo.predictor import Predictor, fits
from shackdoo.task import Task
from shackdoo.training.answers import Answers
from shackdoo.training.dataset import leaves

TOLD = 10  # refused inputs that a message names


def load(description: Path, model: Path) -> Served:
    """Return the served model of a task.

    Args:
        description: JSON file with ``module`` and ``class`` of the task, and its ``config``.
        model: the ``.keras`` file; it is opened in Keras' safe mode.

    Raises:
        RunError: if it can't be opened so.
    """
    task = made_task(json.loads(description.read_text(encoding="utf-8")), description.parent)
    return Served(Predictor.load(task, model, xla=False))  # the first answer must not wait for XLA


def made_task(description: Mapping[str, Any], root: Path) -> Task:
    """Return the task that a description tells of; its data are looked for under ``root``."""
    found: Any = importlib.import_module(description["module"])
    for name in description["class"].split("."):
        found = getattr(found, name)
    config = Config.model_validate(description["config"])
    task: Task = found(config, Catalog(config.catalog, Project(root, root)))
    return task


class Served:
    """Answers to inputs from outside, none of which is taken on trust."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        inputs = predictor.model.inputs
        self._names = [tensor.name for tensor in inputs]
        self._dtypes = [np.dtype(tensor.dtype) for tensor in inputs]
        self._shapes = [tuple(tensor.shape) for tensor in inputs]

    def answers(self, inputs: Any) -> Answers:
        """Return the answers to raw inputs, one row each.

        Args:
            inputs: numbers as an array or nested lists, one input a row, of one shape or of
                several; or pictures as base64 text of PNG, JPEG or other files. Of a model with
                several inputs a dictionary of these.

        Raises:
            RequestError: if an input can't be understood; the message names its position.
        """
        try:
            raw = self._decoded(inputs)
        except InputError as error:
            raise RequestError(_told({error.position: str(error)})) from None
        if not any(map(len, leaves(raw))):
            raise RequestError("There are no inputs.")
        if refused := self._predictor.task.refusals(raw):
            raise RequestError(_told(refused))
        prepared = self._predictor.task.prepare(raw)
        self._check(prepared)
        return self._predictor.task.answers(self._predictor.outputs(prepared))

    def _decoded(self, inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            dtypes = dict(zip(self._names, self._dtypes, strict=True))
            return {
                name: decoded(part, dtypes.get(name, self._dtypes[0]))
                for name, part in inputs.items()
            }
        return decoded(inputs, self._dtypes[0])

    def _check(self, prepared: Any) -> None:
        """See that the model can take the prepared inputs at all.

        Raises:
            RequestError: if their shapes are not those of the model's inputs.
        """
        if isinstance(prepared, Mapping) and set(self._names) <= set(prepared):
            prepared = [prepared[name] for name in self._names]
        found = [np.shape(leaf) for leaf in leaves(prepared)]
        fit = len(found) == len(self._shapes) and all(map(fits, found, self._shapes))
        if not fit:
            raise RequestError(
                f"The model takes inputs of the shape {_shapes(self._shapes)}; these come as "
                f"{_shapes(dict.fromkeys(found))}. The first size counts the inputs."
            )


def _shapes(shapes: Iterable[tuple[int | None, ...]]) -> str:
    shown = [
        " x ".join("any" if size is None else str(size) for size in shape) or "a number"
        for shape in shapes
    ]
    return ", ".join(shown[:TOLD])


def _told(refused: Mapping[int, str]) -> str:
    """Return which inputs are refused, and why."""
    lines = [f"input {place}: {reason}" for place, reason in sorted(refused.items())[:TOLD]]
    if left := len(refused) - len(lines):
        lines.append(f"and {left} more")
    first = "Nothing was predicted: 1 input can't be understood"
    if len(refused) > 1:
        first = f"Nothing was predicted: {len(refused)} inputs can't be understood"
    return f"{first} (positions count from 0). {'; '.join(lines)}"
