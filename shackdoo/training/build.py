"""Keras objects from their YAML: optimizers, schedules, callbacks.

Names, classes and arguments were checked when the configuration was (:mod:`shackdoo.config`).
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shackdoo.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from shackdoo.config.schema import OptimizerSpec, TargetSpec

OWN_SCHEDULES = "shackdoo.training.schedules."


def build_optimizer(spec: OptimizerSpec, total_steps: int) -> keras.Optimizer:
    """Return the optimizer of the configuration.

    Args:
        spec: ``optimizer`` of the configuration.
        total_steps: steps of the whole training, along which a schedule is stretched.
    """
    rate = spec.learning_rate
    schedule = spec.schedule and build_schedule(spec.schedule, rate, total_steps)
    # Keras changes dictionaries it is handed; the configuration must stay as it was logged.
    arguments = copy.deepcopy(dict(spec.arguments))
    optimizer: keras.Optimizer = load(spec.target)(learning_rate=schedule or rate, **arguments)
    return optimizer


def build_schedule(spec: TargetSpec, peak: float, total_steps: int) -> Any:
    """Return the learning-rate schedule: one of ours by its shape, or Keras' own in steps."""
    arguments = copy.deepcopy(dict(spec.arguments))
    if spec.target.startswith(OWN_SCHEDULES):
        return load(spec.target)(peak=peak, total_steps=total_steps, **arguments)
    return load(spec.target)(initial_learning_rate=peak, **arguments)


def build_callbacks(specs: Mapping[str, TargetSpec]) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the configuration, in its order."""
    return [load(spec.target)(**copy.deepcopy(dict(spec.arguments))) for spec in specs.values()]


def load(dotted: str) -> Any:
    """Return the class named by ``package.module.Class``."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def load_weights(model: keras.Model, path: Path) -> None:
    """Give a model the weights of a ``.keras`` file.

    Raises:
        RunError: if the file is of a model with other layers or shapes.
    """
    try:
        model.load_weights(path)
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(
            f"The weights of init_from, {path}, do not fit the model: {reason} Layers, their "
            f"order and their shapes must be the same."
        ) from error


def without_lambdas(model: keras.Model) -> keras.Model:
    """Return the model, which holds no Python lambda.

    Raises:
        RunError: if it does: a file would hold its code, and nobody opens such a file.
    """
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Lambda) and _is_code(layer.get_config()["function"]):
            raise RunError(
                f"The model's layer '{layer.name}' is a keras.layers.Lambda around a Python "
                f"lambda. A saved model would hold its code, which Keras' safe mode refuses to "
                f"load, so it could never be used again. Write it as operations of keras.ops in "
                f"build_model(), or as a layer class of your own."
            )
    return model


def _is_code(function: Any) -> bool:
    return isinstance(function, dict) and function.get("class_name") == "__lambda__"
