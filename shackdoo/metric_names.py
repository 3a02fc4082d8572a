"""Names of metrics: what they begin with, and which are results. The same in all layers."""

from __future__ import annotations

import math

VALIDATION, TEST = "val_", "test_"  # begin the names of what is measured on those splits
STEPS = "batch_"  # begins the names of what is counted in steps of the optimizer
SYSTEM = "system/"  # begins the names of what the machine was measured at
EPOCH_TIMINGS = ("epoch_seconds", "examples_per_second")
TIMINGS = frozenset({*EPOCH_TIMINGS, "inputs_per_second"})


def is_result(name: str) -> bool:
    """Return whether a metric says what was computed, and not how long it took."""
    return name not in TIMINGS and not name.startswith(SYSTEM)


def is_of_epochs(name: str) -> bool:
    """Return whether a metric has one value an epoch."""
    return not name.startswith((SYSTEM, STEPS, TEST))


def same_number(one: float | None, other: float | None) -> bool:
    """Return whether two numbers are the same to the last bit; two that are none are the same."""
    if one is None or other is None:
        return one is other
    return one == other or (math.isnan(one) and math.isnan(other))
