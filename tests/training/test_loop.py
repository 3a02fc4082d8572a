"""Callbacks, limits, chunks and the way out when XLA refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from shackdoo.errors import RunError
from shackdoo.training import loop as loop_module
from shackdoo.training.dataset import Split
from shackdoo.training.loop import Loop, LoopOptions

OPTIONS = LoopOptions(
    seed=1,
    epochs=4,
    batch_size=8,
    evaluation_batch_size=32,
    drop_remainder=True,
    max_steps_per_epoch=None,
    xla=False,
)


def split(examples: int = 68) -> Split:
    random = np.random.default_rng(0)
    return Split(random.normal(size=(examples, 4)).astype("float32"), np.ones(examples, "float32"))


def model(learning_rate: float = 0.05) -> Any:
    keras.utils.set_random_seed(0)
    built = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    built.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return built


def weights(trained: Any) -> bytes:
    return b"".join(weight.numpy().tobytes() for weight in trained.weights)


def test_early_stopping_ends_the_training_and_restores_the_best_weights(notes: Any) -> None:
    diverging = model(learning_rate=3.0)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    history = Loop(diverging, OPTIONS, notes, [stop]).fit(split(), split())
    assert len(history["val_loss"]) == 2
    assert Loop(diverging, OPTIONS, notes).evaluate(split()).metrics["loss"] == pytest.approx(
        history["val_loss"][0], rel=1e-5
    )


def test_reduce_on_plateau_lowers_the_rate_and_logs_it(notes: Any) -> None:
    reduce = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    history = Loop(model(), OPTIONS, notes, [reduce]).fit(split())
    assert history["learning_rate"] == pytest.approx([0.05, 0.05, 0.025, 0.0125])


def test_a_callback_on_batches_is_called_for_each_step(notes: Any) -> None:
    class Count(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.batches: list[int] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batches.append(batch)

    count = Count()
    Loop(model(), replace(OPTIONS, epochs=2), notes, [count]).fit(split())
    assert count.batches == [*range(8), *range(8)]


def test_chunks_change_nothing_but_when_others_may_act(
    notes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model()
    Loop(whole, OPTIONS, notes).fit(split())
    coarse = len(notes.steps)
    monkeypatch.setattr(loop_module, "CHUNK_SECONDS", 0.0)
    single = model()
    Loop(single, OPTIONS, notes).fit(split())
    assert len(notes.steps) - coarse > coarse
    assert weights(single) == weights(whole)


@pytest.mark.parametrize("held_out", [True, False])
def test_evaluation_is_traced_after_the_first_step_whatever_the_clock_makes_of_the_chunks(
    notes: Any, held_out: bool
) -> None:
    traced: list[list[int]] = []

    class Traced(keras.Sequential):  # type: ignore[misc]  # untyped
        def test_step(self, data: Any) -> Any:
            traced.append(list(notes.steps))
            return super().test_step(data)

    traced_model = Traced([keras.Input((4,)), keras.layers.Dense(1)])
    traced_model.compile("sgd", loss="mse")
    loop = Loop(traced_model, OPTIONS, notes)
    loop.fit(split(), split(64) if held_out else None)
    loop.evaluate(split(32))
    assert traced == [[]]


class Seen(keras.callbacks.Callback):  # type: ignore[misc]  # untyped
    """Keeps what it is told after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.logs.append(dict(logs))


@pytest.mark.parametrize("every", [1, 3, 7, 100])
def test_reports_come_at_their_steps_of_the_training_and_change_nothing(
    every: int, notes: Any
) -> None:
    whole, reported = model(), model()
    Loop(whole, replace(OPTIONS, epochs=3), notes).fit(split())
    assert notes.reports == []
    Loop(reported, replace(OPTIONS, epochs=3, report_every=every), notes).fit(split())
    assert [step for step, _ in notes.reports] == list(range(every, 3 * 8 + 1, every))
    assert all(logs.keys() == {"loss"} for _, logs in notes.reports)
    assert weights(reported) == weights(whole)


@pytest.mark.parametrize("xla", [False, True])
def test_reports_are_the_means_that_a_callback_sees_after_each_step(notes: Any, xla: bool) -> None:
    seen, options = Seen(), replace(OPTIONS, epochs=2, drop_remainder=False, xla=xla)
    watched, reported = model(), model()
    Loop(watched, options, notes, [seen]).fit(split())
    Loop(reported, replace(options, report_every=1), notes).fit(split())
    assert [logs for _, logs in notes.reports] == seen.logs
    assert [step for step, _ in notes.reports] == list(range(1, 2 * 9 + 1))
    assert weights(reported) == weights(watched)


class Largest(keras.metrics.Metric):  # type: ignore[misc]  # untyped
    """A metric of the user's that goes by more than its state: by the number of its calls, too."""

    def __init__(self) -> None:
        super().__init__(name="largest")
        self.value = self.add_variable((), "zeros", name="value")
        self.calls = tf.Variable(0.0)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.calls.assign_add(1.0)
        self.value.assign(keras.ops.maximum(self.value, keras.ops.max(y_pred)))

    def result(self) -> Any:
        return self.value + 100 * self.calls


@pytest.mark.parametrize("metric", ["auc", "own", "several shapes"])
def test_reports_of_any_metrics_are_what_a_callback_sees(notes: Any, metric: str) -> None:
    kinds: dict[str, Callable[[], list[Any]]] = {
        "auc": lambda: [keras.metrics.AUC(num_thresholds=20, name="auc")],
        "own": lambda: ["mae", Largest()],
        "several shapes": lambda: ["mae", keras.metrics.AUC(num_thresholds=20, name="auc"), "mse"],
    }
    targets = split().inputs[:, :2].sum(axis=1) > 0
    data = Split(split().inputs, targets.astype("float32"))

    def trained(**options: Any) -> None:
        keras.utils.set_random_seed(0)
        built = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
        built.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", metrics=kinds[metric]())
        each_step = options.pop("callbacks", [])
        Loop(built, replace(OPTIONS, epochs=2, **options), notes, each_step).fit(data)

    seen = Seen()
    trained(callbacks=[seen])
    trained(report_every=1)
    assert [logs for _, logs in notes.reports] == seen.logs
    assert len({logs["loss"] for logs in seen.logs}) == len(seen.logs)


def test_remainder_and_limit_of_steps() -> None:
    assert OPTIONS.steps_per_epoch(68) == 8
    assert replace(OPTIONS, drop_remainder=False).steps_per_epoch(68) == 9
    assert replace(OPTIONS, max_steps_per_epoch=3).total_steps(68) == 12


def test_no_full_batch_is_an_error_that_says_what_to_do(notes: Any) -> None:
    with pytest.raises(RunError, match=r"No full batch of 8 in 5 training examples. Lower task"):
        Loop(model(), OPTIONS, notes).fit(split(5))


def test_augmentation_draws_by_seed_epoch_and_step(notes: Any) -> None:
    import tensorflow as tf

    def noise(inputs: Any, seed: Any) -> Any:
        return inputs + tf.random.stateless_normal(tf.shape(inputs), seed)

    once, again, plain = model(), model(), model()
    Loop(once, OPTIONS, notes, augment=noise).fit(split())
    Loop(again, OPTIONS, notes, augment=noise).fit(split())
    Loop(plain, OPTIONS, notes).fit(split())
    assert weights(once) == weights(again) != weights(plain)


POOLED = """
import sys, numpy as np, keras, tensorflow as tf
from shackdoo.training.dataset import Split
from shackdoo.training.loop import Loop, LoopOptions
tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3),
    keras.layers.MaxPooling2D(name="the_pool"), keras.layers.Flatten(), keras.layers.Dense(1)])
model.compile("sgd", loss="mse")
class Told:
    def __getattr__(self, name):
        return lambda *args: print(*args) if name == "notice" else None
options = LoopOptions(1, 1, 8, 8, True, None, True)
split = Split(np.ones((16, 8, 8, 1), "float32"), np.ones(16, "float32"))
history = Loop(model, options, Told()).fit(split, split)
print("trained", sorted(history))
"""


def test_a_layer_that_xla_rejects_is_named_and_the_model_trains_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", POOLED], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "XLA rejects the layer 'the_pool' (MaxPooling2D)" in done.stdout
    assert "strategy.xla=false" in done.stdout
    assert "trained ['epoch_seconds'" in done.stdout
