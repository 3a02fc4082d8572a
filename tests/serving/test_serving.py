"""Inputs from outside are checked before a model answers, whatever task it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
from pydantic import ConfigDict

from shackdoo.catalog import Catalog
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.errors import RequestError
from shackdoo.predictor import Predictor
from shackdoo.serving import Served, made_task
from shackdoo.task import Task


class Numbers(Task):
    """Takes rows of three numbers and gives one."""

    class Parameters(Task.Parameters):
        model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    def refusals(self, inputs: Any) -> Mapping[int, str]:
        return {place: "it has a 13" for place, one in enumerate(inputs) if 13 in np.ravel(one)}

    def loss(self) -> str:
        return "mse"


class Pairs(Numbers):
    """Takes two inputs by their names."""

    def refusals(self, inputs: Any) -> Mapping[int, str]:
        return {}


@pytest.fixture(scope="module")
def config() -> Any:
    return compose("train", ["task=Mnist_B"], find_project()).config


def served(task_class: type[Task], model: keras.Model, config: Any) -> Served:
    task = task_class(config, Catalog(config.catalog, find_project()))
    return Served(Predictor(task, model, xla=False))


@pytest.fixture(scope="module")
def numbers(config: Any) -> Served:
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)]
    )
    return served(Numbers, model, config)


def test_a_task_answers_in_its_own_columns(numbers: Served) -> None:
    answers = numbers.answers([[1, 2, 3], [4, 5, 6]])
    assert {name: column.tolist() for name, column in answers.items()} == {"output": [6, 15]}


def test_refused_inputs_are_named_with_their_reasons(numbers: Served) -> None:
    with pytest.raises(RequestError) as caught:
        numbers.answers([[1, 2, 3], [13, 0, 0]])
    assert str(caught.value) == (
        "Nothing was predicted: 1 input can't be understood (positions count from 0). "
        "input 1: it has a 13"
    )


def test_of_many_refused_inputs_the_first_ones_are_named(numbers: Served) -> None:
    with pytest.raises(RequestError) as caught:
        numbers.answers([[13, 0, 0]] * 25)
    text = str(caught.value)
    assert "25 inputs can't be understood" in text
    assert text.endswith("input 9: it has a 13; and 15 more")


def test_shapes_that_the_model_does_not_take_are_told(numbers: Served) -> None:
    with pytest.raises(RequestError) as caught:
        numbers.answers([[1, 2], [3, 4]])
    assert str(caught.value) == (
        "The model takes inputs of the shape any x 3; these come as 2 x 2. The first size counts "
        "the inputs."
    )
    with pytest.raises(RequestError, match="these come as 2, 3"):
        numbers.answers([[1, 2], [3, 4, 5]])


@pytest.mark.parametrize("empty", [[], np.zeros((0, 3))])
def test_no_inputs_are_no_question(numbers: Served, empty: Any) -> None:
    with pytest.raises(RequestError, match=r"^There are no inputs\.$"):
        numbers.answers(empty)


def test_several_inputs_come_by_their_names_in_any_order(config: Any) -> None:
    left, right = keras.Input((1,), name="left"), keras.Input((2,), name="right", dtype="uint8")
    outputs = keras.layers.Concatenate()([left, keras.ops.cast(right, "float32")])
    pairs = served(Pairs, keras.Model({"left": left, "right": right}, outputs), config)
    answers = pairs.answers({"right": [[2, 3]], "left": [[1.5]]})
    assert [column.tolist() for column in answers.values()] == [[1.5], [2], [3]]
    with pytest.raises(RequestError, match="The model takes inputs of the shape any x 1, any x 2"):
        pairs.answers({"right": [[2, 3]], "left": [[1.5, 2]]})


def test_a_task_is_made_from_its_description(config: Any, tmp_path: Any) -> None:
    values = compose("train", ["task=Mnist_B", "seed=7"], find_project()).values
    description = {"module": "shackdoo.tasks.mnist", "class": "Mnist_B", "config": values}
    task = made_task(description, tmp_path)
    assert type(task).__name__ == "Mnist_B"
    assert task.config.seed == 7
