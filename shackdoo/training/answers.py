"""What a model's outputs say: columns of answers, one row an input.

Whether a model classifies, and whether its outputs are logits, is told by the loss it is trained
with: a cross-entropy over classes, and its ``from_logits``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Answers = dict[str, np.ndarray[Any, Any]]
ClassNames = Sequence[str] | Sequence[int]

LABELLED = ("label", "probability")  # columns of a classifier before those of the classes

OVER_CLASSES = frozenset(
    {
        "categoricalcrossentropy",
        "categoricalfocalcrossentropy",
        "smoothedcrossentropy",
        "sparsecategoricalcrossentropy",
    }
)
OF_TWO_CLASSES = frozenset({"binarycrossentropy", "binaryfocalcrossentropy"})


@dataclass(frozen=True)
class Reading:
    """How the outputs of a classifier are read.

    Attributes:
        logits: whether they are logits; else they are probabilities.
        binary: whether a single output is the one of the second of two classes.
    """

    logits: bool
    binary: bool


def reading_of(loss: Any) -> Reading | None:
    """Return how a classifier's outputs are read, or None if the loss is none over classes.

    Args:
        loss: as ``compile`` takes it: a name, a function or a Keras loss. A loss of a user's own
            counts if it has an attribute ``from_logits``.
    """
    name, declared = _name(loss), getattr(loss, "from_logits", None)
    if name in OF_TWO_CLASSES:
        return Reading(bool(declared), binary=True)
    if declared is None and name not in OVER_CLASSES:
        return None
    return Reading(bool(declared), binary=False)


def _name(loss: Any) -> str:
    named = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    return str(named).replace("_", "").lower()


def class_probabilities(outputs: Any, reading: Reading) -> np.ndarray[Any, Any] | None:
    """Return the probability of each class, or None if the outputs are not one row an input.

    Args:
        outputs: of the model, ``(inputs, classes)``; ``(inputs, 1)`` if it is of two classes.
        reading: see :func:`reading_of`.

    Returns:
        float32 of shape ``(inputs, classes)``.
    """
    if not isinstance(outputs, np.ndarray) or outputs.ndim != 2:
        return None
    scores = outputs.astype(np.float32)
    if reading.binary != (scores.shape[1] == 1):
        return None
    if not reading.binary:
        return _softmax(scores) if reading.logits else scores
    second = 1 / (1 + np.exp(-scores)) if reading.logits else scores
    return np.concatenate([1 - second, second], axis=1)


def _softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray[Any, Any] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def class_answers(probabilities: np.ndarray[Any, Any], names: ClassNames) -> Answers:
    """Return ``label``, ``probability`` and a column a class.

    Args:
        probabilities: ``(inputs, classes)``.
        names: of the classes, in the order of the columns; numbers give labels that are numbers.
    """
    best = probabilities.argmax(axis=1)
    return {
        "label": np.asarray(names)[best],
        "probability": probabilities[np.arange(len(best)), best],
        **{str(name): probabilities[:, place] for place, name in enumerate(names)},
    }


def plain_answers(outputs: Any) -> Answers:
    """Return the outputs of a model that does not classify: a column a number.

    A single output has the columns ``output`` or ``output_0``, ``output_1``, …; of several each
    has its name, or ``output`` and its place.
    """
    if isinstance(outputs, Mapping):
        named = {str(name): np.asarray(part) for name, part in outputs.items()}
    elif isinstance(outputs, tuple | list):
        named = {f"output_{place}": np.asarray(part) for place, part in enumerate(outputs)}
    else:
        named = {"output": np.asarray(outputs)}
    answers: Answers = {}
    for name, part in named.items():
        rows = part.reshape(len(part), -1)
        alone = rows.shape[1] == 1
        answers |= {name if alone else f"{name}_{n}": rows[:, n] for n in range(rows.shape[1])}
    return answers
