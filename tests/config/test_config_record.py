from __future__ import annotations

import copy
from typing import Any

import pytest

from shackdoo.config.compose import compose
from shackdoo.config.project import Project
from shackdoo.config.record import WITHOUT_EFFECT, config_digest, flatten

VALUES: dict[str, Any] = {
    "seed": 1,
    "tags": {},
    "flows": ["a", "b"],
    "task": {"parameters": {"rate": 0.5, "limit": None, "on": True}},
    "callbacks": {"a": {"x": 1}, "b": {"x": 2}},
}


def test_flat_values_keep_their_types() -> None:
    assert flatten(VALUES) == {
        "seed": 1,
        "tags": "{}",
        "flows": '["a", "b"]',
        "task.parameters.rate": 0.5,
        "task.parameters.limit": None,
        "task.parameters.on": True,
        "callbacks.a.x": 1,
        "callbacks.b.x": 2,
    }


def test_the_digest_knows_no_order_but_that_of_callbacks() -> None:
    backwards = dict(reversed(VALUES.items()))
    assert config_digest(backwards) == config_digest(VALUES)
    callbacks = {**VALUES, "callbacks": dict(reversed(VALUES["callbacks"].items()))}
    assert config_digest(callbacks) != config_digest(VALUES)


@pytest.mark.parametrize(
    "override",
    [
        "experiment=x",
        "description=x",
        "tag=x",
        "+tags.x=1",
        "tracking=off",
        "report.curves=false",
        "best.mode=min",
        "gpu.memory_growth=false",
    ],
)
def test_names_and_records_do_not_count(override: str, shipped: Project) -> None:
    plain = compose("train", ["task=Mnist_B"], shipped).values
    changed = compose("train", ["task=Mnist_B", override], shipped).values
    assert changed != plain
    assert config_digest(changed) == config_digest(plain)


def test_everything_else_counts(shipped: Project) -> None:
    values = compose("train", ["task=Mnist_B"], shipped).values
    plain = config_digest(values)
    counted = {}
    for key in set(values) - WITHOUT_EFFECT:
        changed = copy.deepcopy(values)
        changed[key] = {"changed": {}} if isinstance(values[key], dict) else "changed"
        counted[key] = config_digest(changed) != plain
    assert len(counted) >= 9
    assert all(counted.values())
