"""The small interface to whatever records a run, and what can be attached to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class Artifact:
    """A file of the run; ``folder`` is where it stands among the artifacts, ``""`` at the top.

    The same name again replaces the file. With ``redact`` it may hold secrets: they are taken
    out of what leaves this machine.
    """

    path: Path
    folder: str
    redact: bool = False


@dataclass(frozen=True)
class DataInput:
    """A data set the run reads: its catalog name, the sha256 of the whole file, and its place."""

    name: str
    sha256: str
    source: str
    context: str


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model; the batch is -1 in its shape, the dtype is NumPy's name.

    ``name`` is None if it is the only one.
    """

    name: str | None
    dtype: str
    shape: tuple[int, ...]


TEXT = "text"  # the type of a column of texts, which has a name of NumPy's for each length


@dataclass(frozen=True)
class Model:
    """A trained model, and what it takes to predict with it elsewhere.

    Attributes:
        path: the ``.keras`` file.
        inputs: of the Keras model.
        outputs: of the Keras model.
        requirements: packages that it loads with, as ``name==version``.
        code: zip of the code that made it, and of ``task.json``, which says how its task is made
            again; None if it is to be logged as the bare Keras model.
        answers: columns of what the task answers, name to NumPy's name of the type, or ``text``;
            None if they are not known.
        register: ``NAME`` or ``NAME@ALIAS`` in the model registry, or None.
    """

    path: Path
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    requirements: tuple[str, ...]
    code: Path | None = None
    answers: Mapping[str, str] | None = None
    register: str | None = None


@dataclass(frozen=True)
class Figure:
    """A picture or a page still to be drawn: ``kind`` from the JSON file ``data`` into ``file``."""

    kind: str
    data: Path
    file: Path
    folder: str


Attachment = Artifact | DataInput | Model | Figure


class Tracker(Protocol):
    """Records one run. A call returns when the record would survive the death of the process.

    The journal is the one that every run has; :mod:`shackdoo.tracking.also` tells how to add
    another. Calls may come from several threads.
    """

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters: dotted key to value. A key is recorded once."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics at a step, each (name, step) once."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags; the last value of a tag counts."""

    def attach(self, item: Attachment) -> None:
        """Record a file, a data set, a model or a picture. The file is read before it returns."""

    def end(self, status: Status) -> None:
        """Close the record. Nothing may be recorded afterwards."""


Points = Sequence[tuple[int, Mapping[str, float]]]  # steps, and the metrics at each


class RunTracker(Tracker, Protocol):
    """What a run writes to; a tracker of another package needs less."""

    def metrics_at_steps(self, points: Points) -> None:
        """Record metrics at several steps, for less than a call of ``metrics`` each."""
