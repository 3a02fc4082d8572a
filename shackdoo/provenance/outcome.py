"""What came out of a run, and how two outcomes differ: in bits, in metrics, from which step on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shackdoo.metric_names import STEPS, TEST, is_result, same_number

Curves = Mapping[str, Mapping[int, float]]  # metric to the value at each step


@dataclass(frozen=True)
class Outcome:
    """What a run has computed.

    Attributes:
        weights: sha256 of all weights; None if none were trained.
        arrays: the same of each array of weights, by its name, in the model's order.
        predictions: sha256 of the predictions on the test split; None if there are none.
        metrics: the final numbers, exact, timings left out.
        curves: each metric at each step, timings and the machine's own left out.
    """

    weights: str | None = None
    arrays: Mapping[str, str] = field(default_factory=dict)
    predictions: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Mapping[str, Any], curves: Curves) -> Outcome:
        """Return the outcome of the run that a manifest is of, with its recorded curves."""
        results = manifest.get("results") or {}
        weights = results.get("weights") or {}
        return cls(
            weights=weights.get("sha256"),
            arrays=weights.get("arrays", {}),
            predictions=results.get("predictions_sha256"),
            metrics={n: v for n, v in results.get("metrics", {}).items() if is_result(n)},
            curves={name: dict(steps) for name, steps in curves.items() if is_result(name)},
        )

    def curves_alone(self, epochs: int | None = None) -> Outcome:
        """Return what was measured on the way, without what a run ends in.

        Args:
            epochs: how many count; None for all.
        """
        curves = {
            name: {step: v for step, v in steps.items() if epochs is None or step <= epochs}
            if not name.startswith(STEPS)
            else steps
            for name, steps in self.curves.items()
            if not name.startswith(TEST)
        }
        return Outcome(curves=curves)


@dataclass(frozen=True)
class Parting:
    """The first step at which a metric of two runs is not the same."""

    name: str
    step: int
    first: float
    second: float


@dataclass(frozen=True)
class Effect:
    """How two outcomes differ.

    Attributes:
        same_weights: None if one of them has none.
        same_predictions: the same.
        arrays: names of the arrays of weights that differ, in the model's order.
        metrics: each final number of either, with its two values; None where one has none.
        parting: where the curves part first; None if they never do as far as both go.
        compared: how many points of curves both have.
        lacking: points of the first's epochs that the second does not have, as (name, epoch).
    """

    same_weights: bool | None
    same_predictions: bool | None
    arrays: tuple[str, ...]
    metrics: Mapping[str, tuple[float | None, float | None]]
    parting: Parting | None
    compared: int
    lacking: tuple[tuple[str, int], ...] = ()

    @property
    def same_metrics(self) -> bool:
        """Whether all numbers are equal to the last bit, final ones and curves."""
        pairs = self.metrics.values()
        parted = self.parting is not None or bool(self.lacking)
        return not parted and all(same_number(one, other) for one, other in pairs)

    @property
    def identical(self) -> bool:
        """Whether nothing that both have differs, and there is something that both have."""
        told = self.same_weights is not None or bool(self.metrics) or self.compared > 0
        bits = (self.same_weights, self.same_predictions)
        return told and self.same_metrics and False not in bits


def effect(first: Outcome, second: Outcome) -> Effect:
    """Return how the second outcome differs from the first."""
    names = [*first.metrics, *(name for name in second.metrics if name not in first.metrics)]
    points = list(_shared(first.curves, second.curves))
    partings = [point for point in points if not same_number(point.first, point.second)]
    return Effect(
        same_weights=_same(first.weights, second.weights),
        same_predictions=_same(first.predictions, second.predictions),
        arrays=_differing_arrays(first.arrays, second.arrays),
        metrics={name: (first.metrics.get(name), second.metrics.get(name)) for name in names},
        parting=min(partings, key=_order, default=None),
        compared=len(points),
        lacking=tuple(_lacking(first.curves, second.curves)),
    )


def _order(point: Parting) -> tuple[bool, int, bool, str]:
    """Order points in time; of one time in an order that no record has a part in.

    What is counted in steps of the optimizer comes before what is counted in epochs, and the
    test, which is taken at the end, last.
    """
    name = point.name
    return not name.startswith(STEPS), point.step, name.startswith(TEST), name


def _shared(first: Curves, second: Curves) -> Iterator[Parting]:
    for name, steps in first.items():
        others = second.get(name, {})
        for step, value in steps.items():
            if step in others:
                yield Parting(name, step, value, others[step])


def _lacking(first: Curves, second: Curves) -> Iterator[tuple[str, int]]:
    for name, steps in first.items():
        if not name.startswith(STEPS):
            yield from ((name, step) for step in sorted(steps) if step not in second.get(name, {}))


def _same(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _differing_arrays(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[str, ...]:
    if not first or not second:
        return ()
    names = [*first, *(name for name in second if name not in first)]
    return tuple(name for name in names if first.get(name) != second.get(name))
