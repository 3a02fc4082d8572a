"""A recorded configuration as the base of another: what changes it, and what can't."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from shackdoo.config.compose import compose
from shackdoo.config.compose.base import Base
from shackdoo.config.project import Project
from shackdoo.config.record import config_digest, flatten
from shackdoo.config.targets import check_targets
from shackdoo.errors import ConfigError

Make = Callable[..., Project]
NAME = "the configuration of the run 1a2b3c4d"
ASKED = (
    "task=Mnist_B",
    "optimizer=adamw",
    "optimizer.weight_decay=0.01",
    "optimizer.schedule.warmup=0.3",
    "task.parameters.epochs=3",
    "+tags.number='1e-7'",
    r"+tags.odd='\${x} \\\\\${y} 01:20'",
    "+tags.smile='😀: #1'",
    "tracking.required=true",
    "register=digits",
    "init_from=0123abcd",
)


@pytest.fixture
def recorded(shipped: Project) -> dict[str, Any]:
    """The configuration of a run, as its config.yaml has it."""
    values: dict[str, Any] = yaml.safe_load(compose("train", ASKED, shipped).to_yaml())
    return values


def same(values: dict[str, Any], project: Project, *overrides: str, **more: Any) -> dict[str, Any]:
    composed = compose("train", overrides, project, base=Base(NAME, None, values, **more))
    check_targets(composed)
    return composed.values


def test_without_overrides_it_is_the_same(recorded: dict[str, Any], shipped: Project) -> None:
    values = same(recorded, shipped)
    own = ("tracking", "register")  # of here and of that run
    assert {k: v for k, v in values.items() if k not in own} == {
        k: v for k, v in recorded.items() if k not in own
    }
    assert config_digest(values) == config_digest(recorded)
    assert values["register"] is None and not values["tracking"]["required"]
    assert values["tags"]["odd"] == r"${x} \\${y} 01:20"


CHANGES = {
    "values": (
        ["seed=1", "task.parameters.epochs=5", "+tags.note=x", "~tags.odd"],
        {"seed": 1, "task.parameters.epochs": 5, "tags.note": "x", "tags.odd": None},
    ),
    "its own task": (["task=Mnist_B"], {}),
    "a group keeps what is chosen inside it": (
        ["optimizer=sgd", "optimizer.learning_rate=0.1"],
        {
            "optimizer._target_": "keras.optimizers.SGD",
            "optimizer.learning_rate": 0.1,
            "optimizer.momentum": 0.9,
            "optimizer.nesterov": True,
            "optimizer.beta_1": None,
            "optimizer.beta_2": None,
            "optimizer.epsilon": None,
            "optimizer.weight_decay": None,
        },
    ),
    "a group inside another": (
        ["optimizer/schedule=cosine"],
        {
            "optimizer.schedule._target_": "shackdoo.training.schedules.Cosine",
            "optimizer.schedule.warmup": 0.05,
            "optimizer.schedule.start": None,
        },
    ),
    "several files": (
        ["callbacks=[early_stopping]"],
        {
            "callbacks": None,
            "callbacks.early_stopping._target_": "keras.callbacks.EarlyStopping",
            "callbacks.early_stopping.monitor": "val_loss",
            "callbacks.early_stopping.mode": "min",
            "callbacks.early_stopping.min_delta": 0.0,
            "callbacks.early_stopping.patience": 3,
            "callbacks.early_stopping.restore_best_weights": True,
        },
    ),
    "a file for everything": (
        ["debug=quick"],
        {
            "task.parameters.epochs": 1,
            "task.parameters.max_steps_per_epoch": 20,
            "tracking.enabled": False,
        },
    ),
    "tracking": (["tracking=off"], {"tracking.enabled": False}),
    "strategy": (
        ["strategy=mirrored", "strategy.devices=2"],
        {"strategy.name": "mirrored", "strategy.devices": 2, "strategy.xla": False},
    ),
    "asked anew": (["register=other", "resume=auto"], {"register": "other", "resume": "auto"}),
}


@pytest.mark.parametrize("case", CHANGES)
def test_overrides_change_it(case: str, recorded: dict[str, Any], shipped: Project) -> None:
    overrides, expected = CHANGES[case]
    before, after = flatten(same(recorded, shipped)), flatten(same(recorded, shipped, *overrides))
    names = [*before, *(name for name in after if name not in before)]
    assert {n: after.get(n) for n in names if before.get(n) != after.get(n)} == {
        name: value for name, value in expected.items() if before.get(name) != value
    }


def test_files_of_today_change_nothing_but_what_it_lacks(
    recorded: dict[str, Any], own: Make
) -> None:
    task = (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask: {name: Mnist_B, parameters: "
        "{epochs: 9}}\noptimizer: {learning_rate: 0.5}\ntracking: {every_steps: 7}\n"
    )
    mine = "# @package _global_\nseed: 5\ncheckpoint: {seconds: 77}\ntags: {mine: x}\n"
    project = own({"task/Mnist_B.yaml": task, "local/default.yaml": mine})
    assert config_digest(same(recorded, project)) == config_digest(recorded)
    older = copy.deepcopy(recorded)
    del older["checkpoint"]["seconds"], older["gpu"], older["task"]["parameters"]["drop_remainder"]
    values = same(older, project)
    assert values["checkpoint"]["seconds"] == 77 and values["gpu"] == recorded["gpu"]
    assert values["task"]["parameters"] == recorded["task"]["parameters"]
    assert values["tags"] == recorded["tags"] and values["tracking"]["every_steps"] == 7
    chosen = same(recorded, project, "optimizer=sgd")
    assert chosen["optimizer"]["learning_rate"] == 0.5  # as its task has it by now
    renamed = {**recorded, "task": {**recorded["task"], "name": "Gone"}}
    assert same(renamed, project, "optimizer=sgd")["optimizer"]["learning_rate"] == 0.05


REFUSED = {
    "another task": (
        ["task=Mnist_A"],
        "the override 'task=Mnist_A': a run that is to be the same as another has its task, "
        "Mnist_B. Leave 'task=Mnist_A' away, or train without --same-as.",
    ),
    "no file": (["optimizer=nope"], "the override 'optimizer=nope': no optimizer 'nope'. Known:"),
    "wrong type": (["seed=x"], "the override 'seed=x': seed is 'x', but must be a whole number."),
    "misspelt key": (["sede=1"], "the override 'sede=1': no key 'sede' in the configuration. Did"),
    "several values": (["seed=1,2"], "The override 'seed=1,2' has several values."),
    "unreadable": (["seed=["], "The override 'seed=[' can't be read."),
    "no such variable": (
        ["description=${oc.env:NO_SUCH}"],
        "the override 'description=${oc.env:NO_SUCH}': description refers to the environment "
        "variable NO_SUCH, which isn't set.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_has_its_place(case: str, recorded: dict[str, Any], shipped: Project) -> None:
    overrides, expected = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        same(recorded, shipped, *overrides)
    assert str(caught.value).startswith(expected)


def test_what_is_wrong_with_the_record_is_told_of_it(
    recorded: dict[str, Any], shipped: Project
) -> None:
    recorded["old"], recorded["seed"], recorded["report"]["gone"] = 1, -1, 2
    recorded["optimizer"]["schedule"]["_target_"] = "os.system"
    with pytest.raises(ConfigError) as caught:
        same(recorded, shipped)
    assert [line.partition(". ")[0] for line in str(caught.value).splitlines()] == [
        f"{NAME}: no key 'gone' in report",
        f"{NAME}: no key 'old' in the configuration",
        f"{NAME}: seed is -1, but must be greater than or equal to 0.",
    ]
    del recorded["old"], recorded["report"]["gone"]
    with pytest.raises(ConfigError, match=f"{NAME}: .*os.system"):
        same(recorded, shipped, "seed=1")
    with pytest.raises(ConfigError, match=r"the override 'tracking\.wait=x': tracking\.wait is"):
        same({**recorded, "seed": 1}, shipped, "tracking.wait=x")


def test_variables_are_looked_up_again_and_secrets_asked_for(
    recorded: dict[str, Any], shipped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_NOW", "now")
    recorded["tags"] |= {"where": "${oc.env:OF_NOW}", "token": "***"}
    keys = {"raw": frozenset({("tags", "where")}), "hidden": frozenset({("tags", "token")})}
    with pytest.raises(ConfigError) as caught:
        same(recorded, shipped, **keys)
    assert str(caught.value) == (
        f"{NAME}: the record does not have the value of tags.token, since it is a secret. Give "
        f"it: tags.token=…"
    )
    tags = same(recorded, shipped, "tags.token=abc", **keys)["tags"]
    assert (tags["where"], tags["token"]) == ("now", "abc")
    monkeypatch.delenv("OF_NOW")
    with pytest.raises(ConfigError, match=f"{NAME}: tags.where refers to the environment variable"):
        same(recorded, shipped, "~tags.token", **keys)
