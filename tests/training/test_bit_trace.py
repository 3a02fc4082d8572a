"""The bits of every variable, step by step, of real trainings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from shackdoo.provenance.fingerprint import array_digest
from shackdoo.training.bit_trace import BitTrace
from shackdoo.training.bits import StepBits, Trace, divergence
from shackdoo.training.dataset import Split
from shackdoo.training.loop import Loop, LoopOptions

OPTIONS = LoopOptions(
    seed=1,
    epochs=1,
    batch_size=8,
    evaluation_batch_size=32,
    drop_remainder=True,
    max_steps_per_epoch=4,
    xla=False,
)


def model() -> Any:
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(3)(inputs))
    built = keras.Model(inputs, keras.layers.Dense(1)(x))
    built.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss="mse")
    return built


def split() -> Split:
    random = np.random.default_rng(0)
    return Split(random.normal(size=(64, 4)).astype("float32"), np.ones(64, "float32"))


def traced(notes: Any, trained: Any, *callbacks: Any) -> list[StepBits]:
    trace = BitTrace(array_digest)
    Loop(trained, OPTIONS, notes, [*callbacks, trace]).fit(split())
    return trace.steps


def parted(one: list[StepBits], other: list[StepBits]) -> Any:
    return divergence(Trace(one, False, 1), Trace(other, False, 1))


class Disturbance(keras.callbacks.Callback):
    """Changes the last bits of the last layer's kernel before a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch + 1 == self.step:
            kernel = self.model.layers[-1].kernel
            kernel.assign(kernel * (1 + 1e-6))


def test_each_step_has_the_bits_of_weights_generators_and_optimizer(notes: Any) -> None:
    trained = model()
    steps = traced(notes, trained)
    assert len(steps) == 1 + 4
    assert [step.loss is None for step in steps] == [True, False, False, False, False]
    paths = list(steps[-1].arrays)
    assert paths[:2] == ["dense/kernel", "dense/bias"]
    assert any("seed_generator_state" in path for path in paths)
    assert any("momentum" in path for path in paths)
    assert steps[-1].arrays["dense/kernel"] == array_digest(trained.layers[1].kernel.numpy())
    assert len({step.arrays["dense/kernel"] for step in steps}) == len(steps)


def test_following_the_bits_changes_none(notes: Any) -> None:
    followed, alone = model(), model()
    traced(notes, followed)
    Loop(alone, OPTIONS, notes).fit(split())
    for one, other in zip(followed.weights, alone.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_last_bits_of_one_weight_are_found_at_their_step(notes: Any) -> None:
    plain = traced(notes, model())
    assert parted(plain, traced(notes, model())) is None
    found = parted(plain, traced(notes, model(), Disturbance(step=3)))
    assert found.step == 3
    assert found.array in ("dense/kernel", "dense_1/kernel")


class Twins(keras.layers.Layer):
    """Two variables of one name."""

    def build(self, shape: Any) -> None:
        self.pair = [self.add_weight(shape=(4, 1), name="twin") for _ in range(2)]

    def call(self, x: Any) -> Any:
        return keras.ops.matmul(x, self.pair[0] + self.pair[1])


def test_paths_that_are_not_unique_are_told_apart(notes: Any) -> None:
    inputs = keras.Input((4,))
    built = keras.Model(inputs, Twins(name="twins")(inputs))
    built.compile("sgd", loss="mse")
    paths = list(traced(notes, built)[-1].arrays)
    assert paths[:2] == ["twins/twin", "twins/twin (2)"]
