"""The state of a training loop, taken and put back: variables, callbacks, random generators.

An adapter of TensorFlow: import it where it is needed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

from shackdoo.errors import RunError
from shackdoo.training.checkpoint import Array, Snapshot
from shackdoo.training.mirrored import assign

PLAIN = (bool, int, float, str, type(None), np.ndarray, np.generic)
LINKS = frozenset({"_model", "model", "params"})  # of a callback: what the loop sets anew


class Taken(NamedTuple):
    """State of a training.

    Attributes:
        arrays: value of each variable, by name.
        state: the rest, for a :class:`~shackdoo.training.checkpoint.Snapshot`.
        lost: attributes of callbacks that can't be kept, as ``Class.attribute``.
    """

    arrays: dict[str, Array]
    state: dict[str, Any]
    lost: tuple[str, ...]


def take(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback]) -> Taken:
    """Return a copy of all that decides how the training goes on, but for its position."""
    kept, lost = callback_states(callbacks)
    state = {"callbacks": kept, "random": random_state(), "stop": bool(model.stop_training)}
    return Taken(arrays_of(variables_of(model)), state, tuple(lost))


def restore(
    model: keras.Model, callbacks: Sequence[keras.callbacks.Callback], snapshot: Snapshot
) -> None:
    """Put back what :func:`take` returned; the variables exist already.

    Raises:
        RunError: if the model or its callbacks are others.
    """
    put_back(variables_of(model), snapshot.arrays)
    set_callback_states(callbacks, snapshot.state["callbacks"])
    set_random_state(snapshot.state["random"])
    model.stop_training = snapshot.state["stop"]


def variables_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Return every variable of a model and its training, each once, by a name of its own.

    That is weights, states of seed generators, what metrics have summed, and the state of its
    optimizers. A name is the variable's place, as paths need not be unique.
    """
    found: dict[int, keras.Variable] = {}
    for part in (model, *_optimizers(model)):
        found.update((id(variable), variable) for variable in part.variables)
    found.update((id(variable), variable) for variable in model.metrics_variables)
    return {f"{place} {v.path}": v for place, v in enumerate(found.values())}


def _optimizers(model: keras.Model) -> Iterator[keras.Optimizer]:
    """Yield the model's optimizer, and those that a model of the user's keeps beside it."""
    if model.optimizer is not None:
        yield model.optimizer
    for value in vars(model).values():
        if isinstance(value, keras.Optimizer) and value is not model.optimizer:
            yield value


def arrays_of(variables: Mapping[str, keras.Variable]) -> dict[str, Array]:
    """Return a copy of the value of each variable."""
    return {name: np.array(variable.numpy()) for name, variable in variables.items()}


def fits(variables: Mapping[str, keras.Variable], arrays: Mapping[str, Array]) -> bool:
    """Return whether the arrays are values of these variables, by place and shape."""
    return len(variables) == len(arrays) and all(
        tuple(variable.shape) == array.shape
        for variable, array in zip(variables.values(), arrays.values(), strict=True)
    )


def put_back(variables: Mapping[str, keras.Variable], arrays: Mapping[str, Array]) -> None:
    """Give each variable the value that it had.

    Raises:
        RunError: if they are not the same variables.
    """
    if not fits(variables, arrays):
        raise RunError(
            f"The checkpoint does not fit the model: it holds {len(arrays)} variables, the model "
            f"and its optimizer have {len(variables)}, or their shapes differ."
        )
    # By place: Keras numbers the names of layers, and another process may have made others first.
    for variable, array in zip(variables.values(), arrays.values(), strict=True):
        assign(variable, array)


def random_state() -> dict[str, Any]:
    """Return the state of Python's, NumPy's and Keras' global random generators."""
    version, words, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state()  # what a callback may draw from
    generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    return {
        "python": [version, np.asarray(words, np.uint32), gauss],
        "numpy": [kind, keys, *rest],
        "keras": None if generator is None else np.array(generator.state.numpy()),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put back what :func:`random_state` returned."""
    if state["keras"] is not None:
        global_seed_generator().state.assign(state["keras"])  # made, it draws from Python's
    version, words, gauss = state["python"]
    random.setstate((version, tuple(int(word) for word in words), gauss))
    np.random.set_state(tuple(state["numpy"]))


def callback_states(
    callbacks: Sequence[keras.callbacks.Callback],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what the callbacks keep in attributes, and which attributes can't be kept.

    Kept are numbers, texts, arrays, and lists, tuples and mappings of them: all that Keras' own
    callbacks change while they train. Functions are made anew.

    Returns:
        One mapping a callback, and names as ``Class.attribute``.
    """
    states, lost = [], []
    for callback in callbacks:
        kept = {name: v for name, v in vars(callback).items() if name not in LINKS}
        states.append({name: _copied(v) for name, v in kept.items() if _is_plain(v)})
        lost += [
            f"{type(callback).__name__}.{name}"
            for name, value in kept.items()
            if not _is_plain(value) and not callable(value)
        ]
    return states, lost


def set_callback_states(
    callbacks: Sequence[keras.callbacks.Callback], states: Sequence[Mapping[str, Any]]
) -> None:
    """Put back what :func:`callback_states` returned.

    Raises:
        RunError: if there are more callbacks now, or fewer.
    """
    if len(callbacks) != len(states):
        raise RunError(
            f"The checkpoint holds the state of {len(states)} callbacks, the training has "
            f"{len(callbacks)}."
        )
    for callback, state in zip(callbacks, states, strict=True):
        if "monitor_op" not in state and getattr(callback, "monitor_op", callback) is None:
            # Keras finds out late what is better, and turns the sign of min_delta while at it.
            callback._set_monitor_op()
        vars(callback).update(state)


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    if type(value) in (list, tuple):
        return all(_is_plain(each) for each in value)
    return isinstance(value, PLAIN)


def _copied(value: Any) -> Any:
    """Return a copy: the writer reads it while the training goes on."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(each) for each in value)
    return value
