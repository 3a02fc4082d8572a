"""A training that was stopped anywhere ends in the bits of one that never was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Never

import numpy as np
import pytest

from shackdoo.training.checkpoints import Checkpoints
from shackdoo.training.dataset import Split

EPOCHS, BATCH, EXAMPLES = 3, 16, 136  # eight full batches and one of half the size an epoch
STEPS = 9
TIMINGS = {"epoch_seconds", "examples_per_second"}


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def plain(keras: Any) -> Any:
    return keras.optimizers.Adam(0.01)


def averaged(keras: Any) -> Any:
    return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)


def overwriting(keras: Any) -> Any:
    return keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_overwrite_frequency=5)


def scheduled(keras: Any) -> Any:
    return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, EPOCHS * STEPS))


def none(keras: Any, folder: Path) -> list[Any]:
    return []


def stopping(keras: Any, folder: Path) -> list[Any]:
    return [
        keras.callbacks.EarlyStopping(
            "val_loss", patience=1, min_delta=0.3, restore_best_weights=True
        )
    ]


def plateau(keras: Any, folder: Path) -> list[Any]:
    return [keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=1, cooldown=1)]


def keeping(keras: Any, folder: Path) -> list[Any]:
    return [keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras", save_best_only=True)]


def each_batch(keras: Any, folder: Path) -> list[Any]:
    class Noise(keras.callbacks.Callback):
        """Draws from the global generators at each batch, and counts."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen.append(float(np.random.random()))
            bias = self.model.layers[-1].bias
            bias.assign_add(np.full(bias.shape, self.seen[-1] / 100))

    return [Noise()]


CASES: dict[str, tuple[Any, Any, str]] = {
    "dropout and batch norm": (plain, none, "float32"),
    "moving average": (averaged, none, "float32"),
    "moving average over the weights": (overwriting, none, "float32"),
    "schedule": (scheduled, none, "float32"),
    "early stopping": (plain, stopping, "float32"),
    "plateau": (plain, plateau, "float32"),
    "best models kept": (plain, keeping, "float32"),
    "a callback for each batch": (plain, each_batch, "float32"),
    "mixed precision": (plain, none, "mixed_float16"),
}


def data() -> tuple[Split, Split]:
    random = np.random.default_rng(5)
    inputs = random.normal(size=(EXAMPLES, 6)).astype(np.float32)
    targets = (inputs.sum(axis=1) > 0).astype(np.int64)
    return Split(inputs, targets), Split(inputs[:40] + 0.1, targets[:40])


class Training:
    """One process' worth of a training: everything is made anew, as a new process would."""

    def __init__(
        self, case: str, folder: Path, notes: Any, xla: bool = False, seconds: float = 0.0
    ) -> None:
        import keras

        from shackdoo.training.loop import Loop, LoopOptions

        optimizer, callbacks, policy = CASES[case]
        keras.utils.clear_session()
        keras.utils.set_random_seed(11)
        keras.mixed_precision.set_global_policy(policy)
        inputs = keras.Input((6,))
        x = keras.layers.Dense(12)(inputs)
        x = keras.layers.BatchNormalization(momentum=0.8)(x)
        x = keras.layers.Dropout(0.3)(keras.layers.ReLU()(x))
        model = keras.Model(inputs, keras.layers.Dense(2, dtype="float32")(x))
        keras.mixed_precision.set_global_policy("float32")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=optimizer(keras), loss=loss, metrics=["accuracy"])
        options = LoopOptions(11, EPOCHS, BATCH, 25, False, None, xla)
        self.loop = Loop(model, options, notes, callbacks(keras, folder))
        self.loop.checkpoints = Checkpoints(folder / "checkpoints", seconds, 2, notes.notice)

    def ended(self) -> tuple[str, dict[str, list[float]]]:
        """Train to the end; return the digest of all variables and the history."""
        history = self.loop.fit(*data())
        digest = hashlib.sha256()
        for variable in (*self.loop.model.variables, *self.loop.model.optimizer.variables):
            digest.update(np.asarray(variable.numpy()).tobytes())
        kept = {name: values for name, values in history.items() if name not in TIMINGS}
        return digest.hexdigest(), kept


def stop_after(notes: Any, loop: Any, steps: int, ask: bool) -> None:
    """Stop the training after so many steps: suddenly, or by asking it to keep its state."""
    left = [steps]

    def advanced(step: int, logs: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            if not ask:
                raise StoppedError
            assert loop.checkpoints.interrupt(StoppedError())

    notes.advanced = advanced
    loop._adapt_chunk = lambda steps, seconds: None  # so that it can be stopped after any step


@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_a_training_that_was_never_stopped(
    case: str, tmp_path: Path, make_notes: Callable[[], Any]
) -> None:
    whole = Training(case, tmp_path / "whole", make_notes()).ended()
    folder = tmp_path / "stopped"
    folder.mkdir()
    for steps, ask in ((2, True), (STEPS, True), (5, False)):
        notes = make_notes()
        training = Training(case, folder, notes)
        stop_after(notes, training.loop, steps, ask)
        with pytest.raises(StoppedError):
            training.ended()
    notes = make_notes()
    resumed = Training(case, folder, notes).ended()
    assert resumed == whole
    assert notes.notices[0].startswith("goes on after step ")
    assert set(whole[1]) >= {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_stopped_between_the_last_step_of_an_epoch_and_its_validation(
    tmp_path: Path, make_notes: Callable[[], Any]
) -> None:
    case = "dropout and batch norm"
    whole = Training(case, tmp_path / "whole", make_notes()).ended()
    notes = make_notes()
    training = Training(case, tmp_path, notes, seconds=1000)  # the boundary is kept all the same

    def fails(split: Split) -> Never:
        raise StoppedError

    training.loop.evaluate = fails  # type: ignore[method-assign]
    with pytest.raises(StoppedError):
        training.ended()
    notes = make_notes()
    assert Training(case, tmp_path, notes).ended() == whole
    assert notes.notices == [f"goes on after step {STEPS}, in epoch 1"]


def test_a_training_that_was_over_is_over(tmp_path: Path, make_notes: Callable[[], Any]) -> None:
    case = "early stopping"
    whole = Training(case, tmp_path, make_notes(), seconds=0).ended()
    notes = make_notes()
    assert Training(case, tmp_path, notes).ended() == whole
    assert len(whole[1]["loss"]) < EPOCHS  # it was stopped early, and stays so


def test_xla_and_long_chunks(tmp_path: Path, make_notes: Callable[[], Any]) -> None:
    case = "dropout and batch norm"
    whole = Training(case, tmp_path / "whole", make_notes(), xla=True).ended()
    notes = make_notes()
    training = Training(case, tmp_path, notes, xla=True)
    stop_after(notes, training.loop, 12, True)
    with pytest.raises(StoppedError):
        training.ended()
    assert Training(case, tmp_path, make_notes(), xla=True).ended() == whole


def test_another_model_is_refused(tmp_path: Path, make_notes: Callable[[], Any]) -> None:
    from shackdoo.errors import RunError

    Training("schedule", tmp_path, make_notes()).ended()
    with pytest.raises(RunError, match="The checkpoint does not fit the model: it holds "):
        Training("dropout and batch norm", tmp_path, make_notes()).ended()


def test_what_a_callback_keeps_and_no_checkpoint_holds_is_told(
    tmp_path: Path, make_notes: Callable[[], Any]
) -> None:
    import keras

    class Odd(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seen = {1, 2}

    notes = make_notes()
    training = Training("dropout and batch norm", tmp_path, notes)
    training.loop.callbacks = [Odd()]
    training.ended()
    expected: Sequence[str] = [
        "warning: no checkpoint can hold Odd.seen: a resumed run begins with what the callback's "
        "constructor sets. Keep numbers, texts, lists or arrays."
    ]
    assert notes.notices == expected
