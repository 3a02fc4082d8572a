"""Schedules are shapes along the training, times the peak."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shackdoo.config.schema import OptimizerSpec, TargetSpec
from shackdoo.training.build import build_optimizer, build_schedule
from shackdoo.training.schedules import Cosine, Exponential, Triangle


def rates(schedule: Any, *steps: int) -> list[float]:
    return [float(schedule(step)) for step in steps]


def test_triangle() -> None:
    schedule = Triangle(peak=2.0, total_steps=100, warmup=0.25, start=0.1, end=0.0)
    assert rates(schedule, 0, 25, 100, 200) == pytest.approx([0.2, 2.0, 0.0, 0.0], abs=1e-6)
    assert rates(schedule, 62)[0] == pytest.approx(2.0 * 38 / 75)


def test_cosine() -> None:
    schedule = Cosine(peak=2.0, total_steps=100, warmup=0.2, end=0.1)
    assert rates(schedule, 0, 10, 20, 60, 100) == pytest.approx([0, 1, 2, 1.1, 0.2], abs=1e-5)


def test_exponential() -> None:
    schedule = Exponential(peak=2.0, total_steps=100, ratio=0.01)
    assert rates(schedule, 0, 50, 100) == pytest.approx([2.0, 0.2, 0.02], rel=1e-5)


def test_no_warmup_is_no_division_by_zero() -> None:
    assert rates(Triangle(1.0, 10, warmup=0.0, start=0.0, end=0.0), 0) == [1.0]


def spec(**values: Any) -> OptimizerSpec:
    return OptimizerSpec.model_validate(
        {"_target_": "keras.optimizers.Adam", "learning_rate": 0.01, "schedule": None, **values}
    )


def test_the_learning_rate_is_the_peak_of_our_schedules_and_the_start_of_keras_own() -> None:
    own = {"_target_": "shackdoo.training.schedules.Exponential", "ratio": 0.1}
    optimizer = build_optimizer(spec(schedule=own), total_steps=10)
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    theirs = {"_target_": "keras.optimizers.schedules.CosineDecay", "decay_steps": 10}
    built = build_schedule(TargetSpec.model_validate(theirs), 0.01, 10)
    assert rates(built, 0, 10) == pytest.approx([0.01, 0.0], abs=1e-8)


def test_keras_can_not_change_the_configuration() -> None:
    given = spec(beta_1=0.8)
    before = given.model_dump()
    optimizer = build_optimizer(given, total_steps=1)
    assert np.isclose(optimizer.beta_1, 0.8)
    assert given.model_dump() == before
