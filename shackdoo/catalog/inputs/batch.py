"""What every source of inputs gives: batches of them, with names, labels and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

Label = str | int | float | None


@dataclass(frozen=True)
class Refusal:
    """An input that can't be understood: its name, and why."""

    name: str
    reason: str


@dataclass
class Batch:
    """Some inputs, in their order.

    Attributes:
        names: of the inputs.
        inputs: an array with a row an input, or a list of arrays that differ in their shapes.
        labels: what each is known to be, None where it isn't known; empty if nothing is known.
        refused: inputs that could not be read; they are not among the others.
    """

    names: list[str]
    inputs: Any
    labels: list[Label] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def without(self, refused: dict[int, str]) -> Batch:
        """Return the batch with the inputs at some positions refused, each for its reason."""
        if not refused:
            return self
        kept = [place for place in range(len(self.names)) if place not in refused]
        return Batch(
            [self.names[place] for place in kept],
            self.inputs[kept]
            if isinstance(self.inputs, np.ndarray)
            else [self.inputs[place] for place in kept],
            [self.labels[place] for place in kept] if self.labels else [],
            self.refused + [Refusal(self.names[place], why) for place, why in refused.items()],
        )


@dataclass(frozen=True)
class ReadData:
    """What was read: a name, the place, and the sha256 of all of it."""

    name: str
    source: str
    sha256: str


class Inputs(Protocol):
    """A source of inputs."""

    @property
    def count(self) -> int | None:
        """How many inputs there are, if that is known before they are read."""

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the inputs, at most ``size`` at once."""

    def data(self) -> ReadData:
        """Return what was read, after the last batch."""


def together(inputs: Any) -> Any:
    """Return inputs of one shape as one array, others as a list."""
    if not isinstance(inputs, list | tuple):
        return inputs
    arrays = [np.asarray(one) for one in inputs]
    alike = len({(one.shape, one.dtype) for one in arrays}) == 1
    return np.stack(arrays) if alike else arrays
