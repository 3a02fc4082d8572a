"""A trained model as its task uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.commands.checking import check
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.errors import RequestError, RunError
from shackdoo.task import Task

keras = pytest.importorskip("keras")
from shackdoo.predictor import Predictor, together  # noqa: E402  # an adapter of Keras


@pytest.fixture(scope="module")
def task() -> Task:
    project = find_project()
    return check(compose("train", ["task=Mnist_B"], project), project).task


@pytest.fixture(scope="module")
def model(task: Task) -> Any:
    keras.utils.set_random_seed(1)
    return task.build_model()


def pictures(count: int) -> np.ndarray[Any, Any]:
    """Noise inside a black edge: in the form that MNIST has."""
    inside = np.random.default_rng(count).integers(0, 256, (count, 26, 26), np.uint8)
    return np.pad(inside, ((0, 0), (1, 1), (1, 1)))


@pytest.mark.parametrize("count", [1, 2, 33, 1000, 1003])
@pytest.mark.parametrize("xla", [True, False])
def test_any_number_of_inputs_has_the_answers_of_the_model(
    task: Task, model: Any, count: int, xla: bool
) -> None:
    inputs = pictures(count)
    outputs = Predictor(task, model, xla).outputs(inputs)
    np.testing.assert_allclose(outputs, model.predict(inputs, verbose=0), rtol=1e-3, atol=1e-4)


def test_answers_are_those_of_the_task(task: Task, model: Any) -> None:
    inputs = pictures(5)
    predictor = Predictor(task, model)
    answers = predictor.predict(list(inputs))
    assert list(answers) == ["label", "probability", *map(str, range(10))]
    assert answers["label"].tolist() == predictor.outputs(inputs).argmax(axis=1).tolist()
    assert {len(column) for column in answers.values()} == {5}
    nothing = predictor.no_answers()
    assert list(nothing) == list(answers)
    assert {len(column) for column in nothing.values()} == {0}
    with pytest.raises(ValueError, match="no inputs"):
        predictor.outputs(inputs[:0])


def test_a_model_that_xla_rejects_answers_all_the_same(task: Task) -> None:
    inputs = keras.Input((28, 28), dtype="uint8")
    text = keras.ops.convert_to_tensor

    class Printed(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            length = tf.strings.length(tf.strings.as_string(x[:, 0, :10]))  # no XLA has strings
            return text(tf.cast(length, "float32"))

    strings = keras.Model(inputs, Printed()(inputs))
    outputs = Predictor(task, strings).outputs(pictures(3))
    assert outputs.shape == (3, 10)


def test_a_file_under_any_name_is_loaded(task: Task, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "a.keras")
    (tmp_path / "a.keras").rename(tmp_path / "0123abcd")
    loaded = Predictor.load(task, tmp_path / "0123abcd")
    inputs = pictures(4)
    np.testing.assert_array_equal(loaded.outputs(inputs), Predictor(task, model).outputs(inputs))


def test_a_file_that_is_no_model_is_told(task: Task, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_text("no model")
    with pytest.raises(RunError, match=r"The model .*m\.keras can't be loaded in Keras' safe mode"):
        Predictor.load(task, tmp_path / "m.keras")


def test_what_the_task_refuses_is_told_by_its_position(task: Task, model: Any) -> None:
    fine, blank = pictures(1)[0], np.zeros((28, 28), np.uint8)
    with pytest.raises(RequestError) as error:
        Predictor(task, model).predict([fine, blank])
    assert str(error.value).startswith(
        "1 of 2 inputs can't be understood (positions count from 0). input 1: there is nothing"
    )
    with pytest.raises(RequestError, match="28 of 28 inputs can't be understood"):
        Predictor(task, model).predict(fine)


def test_inputs_of_one_shape_come_to_a_task_as_an_array() -> None:
    assert isinstance(together([np.zeros(3), np.ones(3)]), np.ndarray)
    assert isinstance(together([np.zeros(3), np.ones(4)]), list)
    array = np.zeros((2, 3))
    assert together(array) is array


def test_a_task_that_can_prepare_one_shape_only_says_so(task: Task, model: Any) -> None:
    class Divides(type(task)):  # type: ignore[misc]
        def prepare(self, inputs: Any) -> Any:
            return inputs.astype("float32") / 255

    own = Divides(task.config, task.catalog)
    with pytest.raises(
        RunError, match=r"Divides\.prepare failed on a list of 2 inputs of the shapes"
    ):
        Predictor(own, model).answers([np.zeros((28, 28)), np.zeros((9, 9))])
