"""How good answers are, where it is known what is true: counted batch by batch."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from shackdoo.training.answers import Answers

Truth = str | int | float | None


@dataclass(frozen=True, order=True)
class Mistake:
    """A wrong answer; those that are wronger compare greater.

    Attributes:
        wrongness: how wrong it is.
        name: of the input.
        true: what it is.
        answer: what the model says.
        probability: of that answer, or None.
    """

    wrongness: float
    place: int
    name: str = field(compare=False)
    true: str = field(compare=False)
    answer: str = field(compare=False)
    probability: float | None = field(compare=False)
    raw: Any = field(compare=False, repr=False)


class Scores(Protocol):
    """Counts how good answers are."""

    def add(
        self, names: Sequence[str], truths: Sequence[Truth], answers: Answers, raw: Any
    ) -> list[int]:
        """Count some answers; return the positions of truths that mean nothing here."""

    def metrics(self) -> dict[str, float]:
        """Return the metrics so far; empty if nothing was known."""

    def mistakes(self) -> list[Mistake]:
        """Return the worst mistakes so far, the worst first."""

    def confusion(self) -> np.ndarray[Any, Any] | None:
        """Return counts of (true, predicted) classes, int64 ``(classes, classes)``, or None."""


class _Worst:
    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[Mistake] = []
        self._places = itertools.count()

    def add(self, wrongness: float, **fields: Any) -> None:
        if not self._most:
            return
        if len(self._heap) == self._most and wrongness <= self._heap[0].wrongness:
            return
        push = heapq.heappush if len(self._heap) < self._most else heapq.heapreplace
        push(self._heap, Mistake(wrongness, -next(self._places), **fields))

    def sorted(self) -> list[Mistake]:
        return sorted(self._heap, reverse=True)


class ClassScores:
    """Accuracy and confusion of a classifier; a mistake is the worse the surer it was made."""

    def __init__(self, names: Sequence[Any], worst: int) -> None:
        """Count for classes of these names, and keep so many mistakes."""
        self._names = [str(name) for name in names]
        self._place = {name: place for place, name in enumerate(self._names)}
        if not any(name.isdecimal() for name in self._names):  # data often hold their numbers
            self._place |= {str(place): place for place in range(len(self._names))}
        self._counts = np.zeros((len(self._names), len(self._names)), np.int64)
        self._worst = _Worst(worst)

    def add(
        self, names: Sequence[str], truths: Sequence[Truth], answers: Answers, raw: Any
    ) -> list[int]:
        """Count some answers; a truth is the name of a class, or its number as text."""
        places = [None if truth is None else self._of(truth) for truth in truths]
        unknown = [n for n, p in enumerate(places) if p is None and truths[n] is not None]
        known = np.array([n for n, place in enumerate(places) if place is not None], np.int64)
        if len(known):
            true = np.array([places[n] for n in known], np.int64)
            said = np.array([self._place[str(label)] for label in answers["label"][known]])
            np.add.at(self._counts, (true, said), 1)
            for n, t in zip(known[true != said].tolist(), true[true != said].tolist(), strict=True):
                self._mistake(n, t, names, answers, raw)
        return unknown

    def _of(self, truth: Truth) -> int | None:
        text = str(truth).strip()
        if isinstance(truth, float) or text not in self._place:
            text = _whole(text)
        return self._place.get(text)

    def _mistake(self, n: int, true: int, names: Sequence[str], answers: Answers, raw: Any) -> None:
        self._worst.add(
            float(answers["probability"][n]),
            name=names[n],
            true=self._names[true],
            answer=str(answers["label"][n]),
            probability=float(answers["probability"][n]),
            raw=np.array(raw[n]),
        )

    def metrics(self) -> dict[str, float]:
        """Return ``accuracy`` over the inputs whose class is known, and how many ``known``."""
        known = int(self._counts.sum())
        if not known:
            return {}
        return {"accuracy": float(np.trace(self._counts)) / known, "known": float(known)}

    def mistakes(self) -> list[Mistake]:
        """Return the mistakes that were made most surely."""
        return self._worst.sorted()

    def confusion(self) -> np.ndarray[Any, Any] | None:
        """Return the counts, or None if no class was known."""
        return self._counts if self._counts.any() else None


class ValueScores:
    """Errors of a model whose answer is one number an input."""

    def __init__(self, worst: int) -> None:
        """Keep so many mistakes."""
        self._count, self._absolute, self._squared = 0, 0.0, 0.0
        self._worst = _Worst(worst)

    def add(
        self, names: Sequence[str], truths: Sequence[Truth], answers: Answers, raw: Any
    ) -> list[int]:
        """Count some answers; a truth is a number."""
        said = next(iter(answers.values()))
        unknown = []
        for n, truth in enumerate(truths):
            if truth is None:
                continue
            try:
                error = float(said[n]) - float(truth)
            except ValueError:
                unknown.append(n)
                continue
            self._count += 1
            self._absolute += abs(error)
            self._squared += error * error
            answer = f"{float(said[n]):.4g}"
            self._worst.add(
                abs(error),
                name=names[n],
                true=str(truth),
                answer=answer,
                probability=None,
                raw=np.array(raw[n]),
            )
        return unknown

    def metrics(self) -> dict[str, float]:
        """Return the mean absolute and the root mean squared error, and how many ``known``."""
        if not self._count:
            return {}
        return {
            "mean_absolute_error": self._absolute / self._count,
            "root_mean_squared_error": (self._squared / self._count) ** 0.5,
            "known": float(self._count),
        }

    def mistakes(self) -> list[Mistake]:
        """Return the largest errors."""
        return self._worst.sorted()

    def confusion(self) -> None:
        """There are no classes."""
        return


def _whole(text: str) -> str:
    """Return ``7.0`` as ``7``: tables often hold classes as fractions."""
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text
