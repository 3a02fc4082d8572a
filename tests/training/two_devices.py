"""What a process with several devices does, as JSON.

    python two_devices.py CACHE DEVICES CASE …

A CPU can be shared among devices only before TensorFlow has computed anything, so the cases have a
process of their own.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shackdoo.config.schema import DeterminismSpec, GpuSpec, StrategySpec
from shackdoo.errors import RunError
from shackdoo.training.dataset import Split
from shackdoo.training.devices import make_devices, placement
from shackdoo.training.runtime import start_tensorflow

ONE = StrategySpec(name="single", devices=1, xla=False)
TWO = StrategySpec(name="mirrored", devices=2, xla=False)
SEED, CLASSES = 7, 4


class Notes:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *told: None


def options(**changes: Any) -> Any:
    from shackdoo.training.loop import LoopOptions

    return replace(LoopOptions(SEED, 3, 16, 32, False, None, False), **changes)


def examples(number: int = 83) -> Split:
    """Neither the last batch of 16 nor that of 32 can be shared by two."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(number, 12)).astype("float32")
    return Split(inputs, random.integers(0, CLASSES, number).astype("int32"))


def adamw() -> Any:
    import keras

    return keras.optimizers.AdamW(0.01)


def classifier(
    strategy: StrategySpec,
    optimizer: Callable[[], Any] = adamw,
    dropout: float = 0.0,
    **changes: Any,
) -> Any:
    """A model built where the strategy wants it, from the same seed each time."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(SEED)
    with placement(strategy):
        compiled = {
            "optimizer": optimizer(),
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "metrics": ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")],
        }
        model = keras.Sequential(
            [
                keras.Input((12,)),
                layers.Dense(16, use_bias=False, kernel_regularizer="l2"),
                layers.BatchNormalization(synchronized=strategy.name == "mirrored"),
                layers.ReLU(),
                layers.Dropout(dropout),
                layers.Dense(CLASSES),
            ]
        )
        model.compile(**(compiled | changes))
    return model


def train(model: Any, split: Split | None = None, **given: Any) -> dict[str, list[float]]:
    """Train on the examples, validate on the same; return what does not depend on the clock."""
    from shackdoo.training.loop import Loop

    notes = Notes()
    weights = given.pop("class_weight", None)
    loop = Loop(model, given.pop("options", options()), notes, **given)  # type: ignore[arg-type]
    split = split or examples()
    history = loop.fit(split, split, weights)
    assert notes.notices == []
    return {name: values for name, values in history.items() if "second" not in name}


def both(**given: Any) -> list[dict[str, list[float]]]:
    return [train(classifier(strategy), **given) for strategy in (ONE, TWO)]


def weights(model: Any) -> bytes:
    return b"".join(weight.numpy().tobytes() for weight in model.weights)


# ── the losses of one device ─────────────────────────────────────────────────────────────────────


def partial_batches() -> Any:
    return both()


def example_weights() -> Any:
    split = replace(examples(), weights=np.linspace(0, 2, 83).astype("float32"))
    return both(split=split, class_weight={0: 3.0, 2: 0.5})


def augmentation() -> Any:
    import tensorflow as tf

    def move(inputs: Any, seed: Any) -> Any:
        return inputs + tf.random.stateless_normal(tf.shape(inputs), seed)

    return both(augment=move)


def moving_average() -> Any:
    import keras

    def averaging() -> Any:
        return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)

    models = [classifier(strategy, averaging) for strategy in (ONE, TWO)]
    histories = [train(model) for model in models]
    for model, history in zip(models, histories, strict=True):
        history["last weights"] = [float(np.abs(w.numpy()).sum()) for w in model.weights]
    return histories


def callbacks() -> Any:
    import keras

    histories = []
    for strategy in (ONE, TWO):
        model = classifier(strategy, lambda: keras.optimizers.SGD(0.1))
        acting = [
            keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9),
            keras.callbacks.EarlyStopping(
                "val_loss", patience=2, min_delta=1e9, restore_best_weights=True
            ),
        ]
        history = train(model, callbacks=acting, options=options(epochs=9))
        history["last weights"] = [float(np.abs(w.numpy()).sum()) for w in model.weights]
        histories.append(history)
    return histories


def two_outputs() -> Any:
    import keras
    from keras import layers

    split = examples()
    random = np.random.default_rng(1).normal(size=(83, 1)).astype("float32")
    split = replace(split, targets={"label": split.targets, "size": random})
    histories = []
    for strategy in (ONE, TWO):
        keras.utils.set_random_seed(SEED)
        with placement(strategy):
            inputs = keras.Input((12,))
            hidden = layers.Dense(16, activation="relu")(inputs)
            label = layers.Dense(CLASSES, activation="softmax", name="label")(hidden)
            size = layers.Dense(1, name="size")(hidden)
            model = keras.Model(inputs, {"label": label, "size": size})
            losses = {"label": "sparse_categorical_crossentropy", "size": "mse"}
            model.compile("adam", losses, metrics={"label": ["accuracy"], "size": ["mae"]})
        histories.append(train(model, split))
    return histories


def mnist_a() -> Any:
    """The whole task, in double precision: there is nothing but the order of sums."""
    import keras

    from shackdoo.api import compose

    common = ("strategy.xla=false", "task.parameters.epochs=2")
    limited = (*common, "task.parameters.max_steps_per_epoch=20")
    keras.config.set_floatx("float64")
    histories = []
    for chosen in ((), ("strategy=mirrored", "strategy.devices=2")):
        keras.utils.set_random_seed(SEED)
        task = compose("Mnist_A", *chosen, *limited).task
        result = task.run(task.preprocessing_train(task.fetch_data()), Notes())  # type: ignore[arg-type]
        history = {name: v for name, v in result.history.items() if "second" not in name}
        histories.append(history | {"test_loss": [result.metrics["test_loss"]]})
    return histories


# ── state ────────────────────────────────────────────────────────────────────────────────────────


def state_read_and_put_back() -> Any:
    """Train once as it is, and once with all state read and assigned after every step."""
    import keras

    class PutBack(keras.callbacks.Callback):
        def __init__(self, really: bool) -> None:
            super().__init__()
            self.really = really

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            model = self.model
            for v in (*model.variables, *model.optimizer.variables, *model.metrics_variables):
                if self.really:
                    v.assign(v.numpy())

    outcomes = []
    for really in (False, True):
        model = classifier(TWO, dropout=0.5)
        outcomes.append([train(model, callbacks=[PutBack(really)]), weights(model).hex()])
    return outcomes


def sums_put_back() -> Any:
    """The bits of sums that a checkpoint of three devices holds, and when they were put back."""
    import keras

    from shackdoo.training.loop_state import arrays_of, put_back

    with placement(StrategySpec(name="mirrored", devices=3, xla=False)):
        metric = keras.metrics.Mean()
    held = {str(number): variable for number, variable in enumerate(metric.variables)}
    found = []
    for number in range(50):
        wanted = {name: np.float32(np.sqrt(number + 2)) for name in held}
        put_back(held, {name: np.asarray(value) for name, value in wanted.items()})
        found.append(
            [[float(value) for value in each.values()] for each in (wanted, arrays_of(held))]
        )
    return found


def copies() -> Any:
    """Whether each variable is the same on both devices, by name."""
    model = classifier(TWO, dropout=0.5)
    train(model)
    variables = (*model.variables, *model.optimizer.variables)
    local = [[copy.numpy() for copy in variable.value.values] for variable in variables]
    return [[v.path, bool((a == b).all())] for v, (a, b) in zip(variables, local, strict=True)]


def draws() -> Any:
    """By how many dropout masks of two examples, one a device, each weight was reached."""
    import keras

    with placement(TWO):
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5, seed=1), dense])
        model.compile(keras.optimizers.SGD(1.0), loss="mae")
    split = Split(np.ones((2, 64), "float32"), np.full((2, 1), -1e3, "float32"))
    train(model, split, options=options(epochs=1, batch_size=2))
    return (1 - dense.kernel.numpy()).ravel().tolist()


def evaluation() -> Any:
    from shackdoo.training.loop import Loop

    outputs, metrics = [], []
    for strategy in (ONE, TWO):
        done = Loop(classifier(strategy), options(), Notes()).evaluate(examples())  # type: ignore[arg-type]
        outputs.append(done.predictions.tolist())
        metrics.append(done.metrics)
    return {"outputs": outputs, "metrics": metrics}


# ── what is told and refused ─────────────────────────────────────────────────────────────────────


def notices() -> Any:
    import keras

    from shackdoo.training.loop import Loop

    with placement(TWO):
        model = keras.Sequential(
            [keras.Input((12,)), keras.layers.BatchNormalization(name="alone")]
        )
        model.compile("sgd", loss="mse")
    notes = Notes()
    loop = Loop(model, options(xla=True), notes)  # type: ignore[arg-type]
    return {"notices": notes.notices, "xla": loop.xla}


def refusals() -> Any:
    import keras

    from shackdoo.training.loop import Loop

    class Adding(keras.layers.Layer):
        def call(self, inputs: Any, training: bool = False) -> Any:
            if training:
                self.add_loss(keras.ops.mean(inputs))
            return inputs

    def clipped() -> Any:
        return keras.optimizers.SGD(0.1, clipnorm=1.0)

    outside = keras.metrics.SparseCategoricalAccuracy(name="outside")
    summed = keras.losses.MeanSquaredError(reduction="sum", name="summed")
    with placement(TWO):
        held = keras.layers.Dense(2, activity_regularizer="l2", name="held")
        regularized = keras.Sequential([keras.Input((12,)), held])
        regularized.compile("sgd", loss="mse")
        adding = keras.Sequential(
            [keras.Input((12,)), keras.layers.BatchNormalization(synchronized=True), Adding()]
        )
        adding.compile("sgd", loss="mse")
    told = []
    for model, chosen in (
        (regularized, options()),
        (adding, options()),
        (classifier(TWO, clipped), options()),
        (classifier(TWO, lambda: keras.optimizers.LossScaleOptimizer(clipped())), options()),
        (classifier(TWO, loss=summed), options()),
        (classifier(TWO, metrics=[outside]), options()),
        (classifier(TWO), options(batch_size=15)),
        (classifier(TWO), options(evaluation_batch_size=1)),
    ):
        try:
            Loop(model, chosen, Notes()).fit(examples())  # type: ignore[arg-type]
        except RunError as error:
            told.append(str(error))
    for unlike in (StrategySpec(name="mirrored", devices=n, xla=False) for n in (None, 3)):
        try:
            make_devices(unlike)
        except RunError as error:
            told.append(str(error))
    return told


def outcome(case: str) -> dict[str, Any]:
    """Return what a case found, or how it failed."""
    try:
        return {"found": globals()[case]()}
    except Exception:
        return {"failed": traceback.format_exc()}


def main() -> None:
    """Print the outcome of each case by its name."""
    cache, devices, *cases = sys.argv[1:]
    determinism = DeterminismSpec(enabled=True, threads=1)
    start_tensorflow(determinism, GpuSpec(memory_growth=True), SEED, Path(cache))
    shared = StrategySpec(name="mirrored", devices=int(devices), xla=False)
    assert make_devices(shared) == int(devices)
    print(json.dumps({case: outcome(case) for case in cases}))


if __name__ == "__main__":
    main()
