"""What could not be loaded again is refused before it is trained."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from shackdoo.errors import RunError
from shackdoo.predictor import Predictor
from shackdoo.task import Task
from shackdoo.training.build import without_lambdas


def test_a_lambda_in_a_model_is_refused_by_name() -> None:
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x, name="twice")])
    model = keras.Sequential([keras.Input((2,)), inner])
    with pytest.raises(RunError) as caught:
        without_lambdas(model)
    assert "layer 'twice' is a keras.layers.Lambda around a Python lambda" in str(caught.value)
    assert "Write it as operations of keras.ops in build_model()" in str(caught.value)


def test_other_models_pass() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert without_lambdas(model) is model


def test_a_file_with_a_lambda_is_not_opened_and_no_way_around_is_advised(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(RunError) as caught:
        Predictor.load(Task.__new__(Task), tmp_path / "model.keras")
    assert "can't be loaded in Keras' safe mode: Requested the deserializ" in str(caught.value)
    assert "safe_mode=False" not in str(caught.value)
