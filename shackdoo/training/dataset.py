"""What ``preprocessing_train`` returns: typed splits whose examples are read by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shackdoo.errors import DataError
from shackdoo.training.order import Positions
from shackdoo.training.rows import gather

# One array, or a tuple or dictionary of arrays for a model with several inputs or outputs.
Arrays = Any


@dataclass(frozen=True)
class Split:
    """Examples that can be read by position.

    Attributes:
        inputs: array ``(examples, …)``, or a tuple or dictionary of such arrays.
        targets: likewise.
        weights: weight of each example in the loss, ``(examples,)``, or None for all alike.
    """

    inputs: Arrays
    targets: Arrays
    weights: np.ndarray[Any, Any] | None = None

    def __post_init__(self) -> None:
        sizes = {len(leaf) for leaf in leaves((self.inputs, self.targets, self.weights))}
        if len(sizes) != 1:
            raise DataError(
                f"Inputs, targets and weights of a split differ in their number of examples: "
                f"{sorted(sizes)}. Each must have one row per example."
            )

    def __len__(self) -> int:
        return len(leaves(self.inputs)[0])

    def take(self, positions: Positions | slice) -> Split:
        """Return the examples at the given positions, in that order."""

        def rows(leaf: Any) -> Any:
            return leaf[positions] if isinstance(positions, slice) else gather(leaf, positions)

        return Split(*(map_arrays(rows, part) for part in self.parts))

    def weighted(self, class_weight: Mapping[int, float]) -> Split:
        """Return the same examples, each weighted by its class, as Keras' ``class_weight`` does.

        Args:
            class_weight: weight of each class index; classes not named weigh 1.

        Raises:
            DataError: if the targets are not integers ``(examples,)`` or one-hot
                ``(examples, classes)``.
        """
        labels = self.targets
        if not isinstance(labels, np.ndarray) or labels.ndim > 2:
            raise DataError("Class weights need one target: class indices, or one-hot rows.")
        indices = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels
        weights = np.ones(len(self), dtype=np.float32)
        for index, weight in class_weight.items():
            weights[indices.reshape(-1) == index] = weight
        return replace(self, weights=weights if self.weights is None else weights * self.weights)

    @property
    def parts(self) -> tuple[Arrays, Arrays, Arrays]:
        """Inputs, targets and weights, as a Keras train step takes them."""
        return self.inputs, self.targets, self.weights


@dataclass(frozen=True)
class Dataset:
    """The splits of a task. ``test`` is used once, at the end; choices are made on validation."""

    train: Split
    validation: Split | None
    test: Split | None


def leaves(tree: Arrays) -> list[np.ndarray[Any, Any]]:
    """Return the arrays of a nested tuple, list or dictionary, in a fixed order."""
    if tree is None:
        return []
    if isinstance(tree, Mapping):
        return [leaf for key in tree for leaf in leaves(tree[key])]
    if isinstance(tree, tuple | list):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def map_arrays(function: Callable[[Any], Any], tree: Arrays) -> Arrays:
    """Return the same nesting with ``function`` applied to each array."""
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        return {key: map_arrays(function, part) for key, part in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(map_arrays(function, part) for part in tree)
    return function(tree)


def hold_out(split: Split, fraction: float, seed: int) -> tuple[Split, Split | None]:
    """Split off a random validation part.

    Args:
        split: all training examples.
        fraction: part of them to hold out, in [0, 1).
        seed: decides which examples are held out.

    Returns:
        The training part and the held-out part (None if that is empty).
    """
    held = round(len(split) * fraction)
    if held == 0:
        return split, None
    order = np.random.default_rng(seed).permutation(len(split))
    return split.take(np.sort(order[held:])), split.take(np.sort(order[:held]))
