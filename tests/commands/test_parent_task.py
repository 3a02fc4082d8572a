"""What differs from the parent task is told exactly, and its faults stop nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.checking import check
from shackdoo.commands.parent_task import (
    ANSWER,
    QUESTION,
    answer,
    compare_with_parent,
    question,
    read_answer,
)
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project

TASKS = """
from shackdoo.tasks.mnist import Mnist_A, Mnist_B
class Between(Mnist_A):
    '''It has no YAML.'''
class Mine(Between):
    '''Mine.'''
class Alone(Mnist_B):
    '''Alone.'''
"""
MINE = """# @package _global_
defaults: [Mnist_A, _self_]
task: {name: Mine, _target_: parent_task_tasks.Mine, parameters: {dropout: 0.5}}
"""


def asked(*overrides: str) -> dict[str, Any]:
    project = find_project()
    checked = check(compose("train", overrides, project), project)
    return question(checked, checked.redactor())


def changes(*overrides: str) -> dict[str, tuple[Any, Any, bool]]:
    found = answer(asked(*overrides))
    assert found["error"] is None
    return {c["key"]: (c["old"], c["new"], c["typed"]) for c in found["changes"]}


def test_a_task_differs_by_its_yaml() -> None:
    assert answer(asked("task=Mnist_B"))["parent"] == "Mnist_A"
    assert changes("task=Mnist_B") == {
        "task.parameters.stem": (["learned"], ["cosine"], False),
        "task.parameters.stem_filters": ([16], [24], False),
        "task.parameters.stem_size": ([5], [6], False),
        "task.parameters.stem_stride": ([2], [3], False),
        "task.parameters.body_filters": ([32], [64], False),
        "task.parameters.body_size": ([3], [2], False),
        "optimizer.learning_rate": ([0.004], [0.02], False),
    }


def test_what_was_typed_is_told_from_what_the_yaml_says() -> None:
    found = changes("task=Mnist_B", "optimizer=sgd", "task.parameters.epochs=2", "+tags.a=b")
    assert found["task.parameters.epochs"] == ([1], [2], True)
    assert found["task.parameters.stem_filters"] == ([16], [24], False)
    assert found["optimizer.momentum"] == ([], [0.9], True)
    assert found["optimizer.beta_1"] == ([0.9], [], True)
    assert not any(key.startswith(("tag", "report", "tracking")) for key in found)


def test_a_task_without_a_parent_has_nothing_to_differ_from() -> None:
    found = answer(asked("task=Mnist_A"))
    assert (found["parent"], found["changes"], found["skipped"]) == (None, [], [])


@pytest.fixture
def mine(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (own_project / "parent_task_tasks.py").write_text(TASKS)
    (own_project / "conf" / "task" / "Mine.yaml").write_text(MINE)
    monkeypatch.syspath_prepend(str(own_project))
    return own_project


def test_a_parent_without_a_yaml_is_passed_over(mine: Path) -> None:
    found = answer(asked("task=Mine"))
    assert (found["parent"], found["skipped"]) == ("Mnist_A", ["Between"])
    assert [change["key"] for change in found["changes"]] == ["task.parameters.dropout"]


def test_a_parent_whose_yaml_is_broken_says_so(mine: Path) -> None:
    known = asked("task=Mine")
    (mine / "conf" / "task" / "Mnist_A.yaml").write_text("# @package _global_\nnonsense: 1\n")
    found = answer(known)
    assert found["changes"] == []
    assert "nonsense" in found["error"]


def test_secrets_of_either_are_hidden(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PLACE", "correct-horse-battery")
    known = asked("task=Mnist_B", "experiment=${oc.env:SOME_PLACE}", "+tags.api_key=hunter2hunter2")
    assert "correct-horse-battery" not in json.dumps(known)
    assert "hunter2hunter2" not in json.dumps(known)


def test_the_answer_is_left_beside_the_question(tmp_path: Path) -> None:
    assert read_answer(None) is None
    compare_with_parent(tmp_path)  # nobody has asked
    assert read_answer(tmp_path) is None
    (tmp_path / QUESTION).write_text(json.dumps(asked("task=Mnist_B")))
    compare_with_parent(tmp_path)
    assert read_answer(tmp_path) == answer(asked("task=Mnist_B"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([QUESTION, ANSWER])
