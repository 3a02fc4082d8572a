"""The loop gives the losses of Keras' own ``fit`` on the same order of examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from shackdoo.training.dataset import Split, map_arrays
from shackdoo.training.order import epoch_order

keras = pytest.importorskip("keras")

from shackdoo.training.loop import Loop, LoopOptions  # noqa: E402

EPOCHS, BATCH, SEED = 3, 16, 7
EXAMPLES = 128


@dataclass(frozen=True)
class Case:
    build: Callable[[], Any]
    split: Split
    class_weight: dict[int, float] | None = None


def features(examples: int, width: int = 12) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(examples, width)).astype("float32")


def classes(examples: int, count: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, count, examples).astype("int32")


def regression() -> Any:
    model = keras.Sequential(
        [keras.Input((12,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss="huber", metrics=["mae"])
    return model


def two_outputs() -> Any:
    inputs = keras.Input((12,))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    label = keras.layers.Dense(3, activation="softmax", name="label")(hidden)
    size = keras.layers.Dense(1, name="size")(hidden)
    model = keras.Model(inputs, {"label": label, "size": size})
    model.compile(
        "adam",
        loss={"label": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"label": 1.0, "size": 0.3},
        metrics={"label": ["accuracy"], "size": ["mae"]},
    )
    return model


def classifier(dropout: float = 0.0) -> Any:
    model = keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Dense(16, use_bias=False, kernel_regularizer="l2"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(4),
        ]
    )
    model.compile(
        keras.optimizers.AdamW(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


CASES = {
    "another loss": Case(regression, Split(features(EXAMPLES), features(EXAMPLES, 1))),
    "two outputs": Case(
        two_outputs,
        Split(features(EXAMPLES), {"label": classes(EXAMPLES, 3), "size": features(EXAMPLES, 1)}),
    ),
    "class weights": Case(
        classifier, Split(features(EXAMPLES), classes(EXAMPLES, 4)), {0: 3.0, 2: 0.5}
    ),
    "dropout off": Case(classifier, Split(features(EXAMPLES), classes(EXAMPLES, 4))),
    "a partial last batch": Case(classifier, Split(features(119), classes(119, 4))),
}

OPTIONS = LoopOptions(
    seed=SEED,
    epochs=EPOCHS,
    batch_size=BATCH,
    evaluation_batch_size=32,
    drop_remainder=False,
    max_steps_per_epoch=None,
    xla=True,
)


def fit_in_our_order(case: Case) -> list[dict[str, float]]:
    """Keras' own ``fit``, one epoch at a time on the examples in the loop's order."""
    keras.utils.set_random_seed(SEED)
    model = case.build()
    history = []
    for epoch in range(EPOCHS):
        split = case.split.take(epoch_order(len(case.split), SEED, epoch))
        logs = model.fit(
            split.inputs,
            split.targets,
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            class_weight=case.class_weight,
            validation_data=(case.split.inputs, case.split.targets),
            validation_batch_size=32,
        ).history
        history.append({name: values[0] for name, values in logs.items()})
    return history


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("xla", [True, False])
def test_losses_of_fit_to_five_digits(name: str, xla: bool, notes: Any) -> None:
    case = CASES[name]
    expected = fit_in_our_order(case)

    keras.utils.set_random_seed(SEED)
    loop = Loop(case.build(), replace(OPTIONS, xla=xla), notes)
    history = loop.fit(case.split, case.split, case.class_weight)

    assert notes.notices == []
    for epoch, logs in enumerate(expected):
        for metric, value in logs.items():
            assert history[metric][epoch] == pytest.approx(value, rel=1e-5, abs=1e-6), metric
    assert expected[0]["loss"] != pytest.approx(expected[-1]["loss"], rel=1e-2)  # it did learn
    if name == "two outputs":
        assert {"label_loss", "size_loss", "label_accuracy", "size_mae"} <= set(history)


def test_dropout_draws_anew_each_step_and_equals_itself(notes: Any) -> None:
    def train() -> tuple[list[float], bytes]:
        keras.utils.set_random_seed(SEED)
        model = classifier(dropout=0.5)
        history = Loop(model, OPTIONS, notes).fit(CASES["dropout off"].split)
        return history["loss"], b"".join(weight.numpy().tobytes() for weight in model.weights)

    once, again = train(), train()
    assert once == again
    plain = fit_in_our_order(CASES["dropout off"])
    assert once[0][0] != pytest.approx(plain[0]["loss"], rel=1e-3)


def test_evaluation_returns_one_row_an_example_in_order(notes: Any) -> None:
    case = CASES["a partial last batch"]
    model = case.build()
    evaluation = Loop(model, OPTIONS, notes).evaluate(case.split)
    expected = model.predict(case.split.inputs, verbose=0)
    np.testing.assert_allclose(evaluation.predictions, expected, rtol=1e-5, atol=1e-6)
    assert evaluation.metrics == pytest.approx(
        model.evaluate(case.split.inputs, case.split.targets, verbose=0, return_dict=True),
        rel=1e-5,
    )
    assert map_arrays(len, case.split.inputs) == len(evaluation.predictions)


@pytest.mark.parametrize("step", ["of Keras", "of its class", "its own"])
def test_outputs_of_several_heads_are_those_of_predict(notes: Any, step: str) -> None:
    case = CASES["two outputs"]
    model = case.build()
    if step == "of its class":
        model.__class__ = type("Own", (type(model),), {"test_step": _own_test_step})
    elif step == "its own":
        model.test_step = partial(_own_test_step, model)
    before = set(vars(model))
    evaluation = Loop(model, OPTIONS, notes).evaluate(case.split)
    assert "compute_metrics" not in set(vars(model)) - before
    expected = model.predict(case.split.inputs, verbose=0)
    assert evaluation.predictions.keys() == expected.keys() == {"label", "size"}
    for head, outputs in expected.items():
        np.testing.assert_allclose(evaluation.predictions[head], outputs, rtol=1e-5, atol=1e-6)
    told = model.evaluate(case.split.inputs, case.split.targets, verbose=0, return_dict=True)
    assert evaluation.metrics == pytest.approx(told, rel=1e-5)


def _own_test_step(self: Any, data: Any) -> Any:
    inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
    outputs = self(inputs, training=False)
    loss = self.compute_loss(inputs, targets, outputs, weights, training=False)
    self._loss_tracker.update_state(loss, sample_weight=inputs.shape[0])
    self._compile_metrics.update_state(targets, outputs, weights)
    return self.get_metrics_result()


@pytest.mark.parametrize("name", ["dropout off", "two outputs"])
def test_a_step_is_traced_once(name: str, notes: Any) -> None:
    """What a step needs is built before: a trace that builds it would be made once more."""
    model, traced = CASES[name].build(), list[str]()

    def train_step(self: Any, data: Any) -> Any:
        traced.append("once")
        return super(type(self), self).train_step(data)

    model.__class__ = type("Counted", (type(model),), {"train_step": train_step})
    Loop(model, replace(OPTIONS, drop_remainder=True), notes).fit(CASES[name].split)
    assert traced == ["once"]
