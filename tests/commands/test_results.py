"""What a run leaves of its model, whatever kind of Keras model it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from shackdoo.commands.results import save_model
from shackdoo.tracking.tracker import Artifact, Model, Tensor


def test_a_model_with_one_input_has_a_signature(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,), dtype="uint8"), keras.layers.Dense(2)])
    saved = save_model(model, tmp_path / "new" / "model.keras")
    assert isinstance(saved, Model)
    assert saved.inputs == (Tensor(None, "uint8", (-1, 3)),)
    assert saved.outputs == (Tensor(None, "float32", (-1, 2)),)
    assert f"keras=={keras.__version__}" in saved.requirements
    assert [path.name for path in saved.path.parent.iterdir()] == ["model.keras"]


def test_several_inputs_are_named(tmp_path: Path) -> None:
    inputs = [keras.Input((3,), name="left"), keras.Input((4,), name="right")]
    model = keras.Model(inputs, keras.layers.Concatenate()(inputs))
    saved = save_model(model, tmp_path / "model.keras")
    assert isinstance(saved, Model)
    assert [(tensor.name, tensor.shape) for tensor in saved.inputs] == [
        ("left", (-1, 3)),
        ("right", (-1, 4)),
    ]


class Own(keras.Model):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.dense = keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


def test_a_model_with_a_call_of_its_own_is_recorded_as_a_file(tmp_path: Path) -> None:
    model = Own()
    model(np.zeros((2, 3), "float32"))
    assert save_model(model, tmp_path / "model.keras") == Artifact(
        tmp_path / "model.keras", "model"
    )
    assert (tmp_path / "model.keras").is_file()
