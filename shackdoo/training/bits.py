"""The bits of a training step by step, and where those of two trainings part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class StepBits:
    """What is known to the bit after a step.

    Attributes:
        loss: mean of the epoch so far, as ``float.hex`` writes it; None before the first step.
        arrays: path of each variable to the digest of its bits: the model's in the order of its
            layers, then the optimizer's.
    """

    loss: str | None
    arrays: Mapping[str, str]


@dataclass(frozen=True)
class Trace:
    """The first steps of a training.

    Attributes:
        steps: the initial state, then the state after each step.
        xla: whether XLA compiled the steps.
        threads: number of CPU threads TensorFlow computed with.
    """

    steps: Sequence[StepBits]
    xla: bool
    threads: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Trace:
        """Return the trace that ``dataclasses.asdict`` made plain."""
        steps = [StepBits(**step) for step in values["steps"]]
        return cls(steps, values["xla"], values["threads"])

    @property
    def digest(self) -> str:
        """Return the sha256 of all of it: equal exactly where two trainings do not part."""
        plain = json.dumps([asdict(step) for step in self.steps])
        return hashlib.sha256(plain.encode()).hexdigest()


@dataclass(frozen=True)
class Divergence:
    """The first place where two trainings differ.

    Attributes:
        step: number of the step, from 1; 0 is the state before the first one.
        array: path of the first variable whose bits differ after it, the model's before the
            optimizer's; None if only the loss does, or if one training has fewer steps.
        differing: how many variables differ after it.
        arrays: how many there are.
        loss: whether the loss of that step differs already, so that the way forward through the
            model does and not only the way back.
    """

    step: int
    array: str | None
    differing: int
    arrays: int
    loss: bool

    @property
    def kind(self) -> Literal["initial", "loss", "update"]:
        """Return what differs first: the initial state, a loss, or only what a step made of it."""
        if self.step == 0:
            return "initial"
        return "loss" if self.loss else "update"

    def __str__(self) -> str:
        if self.array is None:
            where = "in the loss alone" if self.loss else "as one of them ends before it"
            return f"diverge at step {self.step} {where}"
        count = f"{self.differing} of {self.arrays} arrays"
        if self.kind == "initial":
            return f"diverge in the initial weights, first in '{self.array}' ({count})"
        loss = "differs already" if self.loss else "is still equal"
        return f"diverge at step {self.step} in '{self.array}' ({count}; its loss {loss})"


def divergence(one: Trace, other: Trace) -> Divergence | None:
    """Return where two trainings part, None if they are equal to the bit."""
    for number, (mine, theirs) in enumerate(zip(one.steps, other.steps, strict=False)):
        if mine != theirs:
            return _parted(number, mine, theirs)
    shorter, longer = sorted((len(one.steps), len(other.steps)))
    return None if shorter == longer else Divergence(shorter, None, 0, 0, loss=False)


def _parted(number: int, mine: StepBits, theirs: StepBits) -> Divergence:
    paths = dict.fromkeys([*mine.arrays, *theirs.arrays])
    parted = [path for path in paths if mine.arrays.get(path) != theirs.arrays.get(path)]
    first = next(iter(parted), None)
    return Divergence(number, first, len(parted), len(paths), loss=mine.loss != theirs.loss)
