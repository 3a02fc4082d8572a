"""The training loop: XLA and determinism together, over an ordinary compiled Keras model.

``fit`` drops XLA silently when op determinism is on. This loop runs the model's own
``train_step`` and ``test_step`` (so any loss, metrics, outputs, weights or precision count as
they do in ``fit``) inside programs that XLA compiles, many steps to a call.

An adapter of TensorFlow: import it where it is needed.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from shackdoo.errors import RunError
from shackdoo.training import loop_state
from shackdoo.training.checkpoint import Position, Snapshot
from shackdoo.training.checkpoints import Checkpoints
from shackdoo.training.dataset import Split
from shackdoo.training.mirrored import programs_for
from shackdoo.training.order import Seeds, epoch_order, step_seeds
from shackdoo.training.programs import Augment

Logs = dict[str, float]

CHUNK_SECONDS = 0.3  # callbacks, signals and the progress bar act between chunks
_MEASURED_STEPS = 8  # length of the chunk that tells how long a step takes


@dataclass(frozen=True)
class LoopOptions:
    """How to train; each is a value of the configuration.

    Attributes:
        seed: decides the order of examples and their augmentation.
        epochs: passes over the training split.
        batch_size: examples of a training step.
        evaluation_batch_size: examples of an evaluation step.
        drop_remainder: leave out the last batch of an epoch if it is not full. The order
            differs from epoch to epoch, and so does what is left out.
        max_steps_per_epoch: end an epoch after so many steps; None for no limit.
        xla: compile the steps with XLA.
        report_every: tell the observer the metrics after every so many steps; None for not.
    """

    seed: int
    epochs: int
    batch_size: int
    evaluation_batch_size: int
    drop_remainder: bool
    max_steps_per_epoch: int | None
    xla: bool
    report_every: int | None = None

    def steps_per_epoch(self, examples: int) -> int:
        """Return the number of training steps in an epoch over so many examples."""
        whole, rest = divmod(examples, self.batch_size)
        steps = whole + (1 if rest and not self.drop_remainder else 0)
        return min(steps, self.max_steps_per_epoch or steps)

    def total_steps(self, examples: int) -> int:
        """Return the number of training steps of the whole training."""
        return self.epochs * self.steps_per_epoch(examples)


class Observer(Protocol):
    """Whom the loop tells how the training goes."""

    def epoch_started(self, epoch: int, steps: int) -> None:
        """Epoch ``epoch`` (from 1) of so many steps begins."""

    def advanced(self, step: int, logs: Logs) -> None:
        """So many steps of the epoch are done; ``logs`` are its means so far."""

    def reported(self, reports: Sequence[tuple[int, Logs]]) -> None:
        """After so many steps of the training each, multiples of ``report_every``."""

    def epoch_ended(self, epoch: int, logs: Logs) -> None:
        """All metrics of the epoch: training, ``val_…``, seconds, examples a second."""

    def notice(self, text: str) -> None:
        """Something the user should know."""


@dataclass(frozen=True)
class Evaluation:
    """Metrics over a split and the model's outputs, one row an example, in the split's order."""

    metrics: Logs
    predictions: Any


class Loop:
    """Trains and evaluates one compiled Keras model.

    Attributes:
        checkpoints: where the state is kept between steps, and found again; nowhere at first.
    """

    def __init__(
        self,
        model: keras.Model,
        options: LoopOptions,
        observer: Observer,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        augment: Augment | None = None,
    ) -> None:
        """Prepare to train ``model``.

        Args:
            model: an ordinary compiled Keras model.
            options: see :class:`LoopOptions`.
            observer: told of each epoch.
            callbacks: Keras callbacks. If one of them acts on batches, it is called for each.
            augment: random change of a batch of inputs, ``(inputs, seed) -> inputs``, in
                TensorFlow ops; ``seed`` is an int32 tensor of shape (2,), a function of
                (seed, epoch, step).
        """
        self.model = model
        self.options = options
        self.observer = observer
        self.callbacks = list(callbacks)
        self._programs = programs_for(model, augment, options, observer.notice)
        self.checkpoints = Checkpoints(None, math.inf, 1, observer.notice)
        self._chunk = 1
        self._history: dict[str, list[float]] = {}
        self._told_lost = False
        self._foreseen: Split | None = None

    @property
    def xla(self) -> bool:
        """Whether XLA compiles the steps; it does not if it has rejected the model."""
        return self._programs.xla

    def fit(
        self,
        train: Split,
        validation: Split | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> dict[str, list[float]]:
        """Train and return the history: metric name to one value an epoch.

        If there is a checkpoint, training goes on from there to the same bits.

        Raises:
            RunError: if the training split has fewer examples than one batch needs, or the
                checkpoint is that of another model.
        """
        steps = self._checked_steps(train)
        weighted = train.weighted(class_weight) if class_weight else train
        callbacks = keras.callbacks.CallbackList(
            self.callbacks,
            add_history=True,
            model=self.model,
            epochs=self.options.epochs,
            steps=steps,
        )
        self._history = {}
        self._foreseen = (validation or train).take(slice(0, self.options.evaluation_batch_size))
        self.model.stop_training = False
        callbacks.on_train_begin()
        with self.checkpoints:
            logs = self._epochs(steps, weighted, validation, callbacks)
        # As fit does: an optimizer with a moving average hands it over to the weights.
        self.model.optimizer.finalize_variable_values(self.model.trainable_weights)
        callbacks.on_train_end(logs)
        return self._history

    def evaluate(self, split: Split) -> Evaluation:
        """Return the model's metrics over ``split`` and its outputs, in one pass."""
        self.model.reset_metrics()
        size = self.options.evaluation_batch_size
        outputs = []
        for start in range(0, len(split), size):
            self.checkpoints.passing()
            outputs.append(self._programs.evaluate(split.take(slice(start, start + size))))
        joined = tf.nest.map_structure(lambda *rows: np.concatenate(rows), *outputs)
        return Evaluation(self._metrics(), joined)

    def _checked_steps(self, train: Split) -> int:
        steps = self.options.steps_per_epoch(len(train))
        if steps == 0:
            raise RunError(
                f"No full batch of {self.options.batch_size} in {len(train)} training examples. "
                f"Lower task.parameters.batch_size or set task.parameters.drop_remainder=false."
            )
        return steps

    def _epochs(
        self,
        steps: int,
        train: Split,
        validation: Split | None,
        callbacks: keras.callbacks.CallbackList,
    ) -> Logs:
        """Run the epochs that are left; return the metrics of the last one."""
        found = self.checkpoints.newest()
        start = Position() if found is None else self._resumed(found, train, callbacks)
        logs: Logs = {} if found is None else dict(found.state["logs"])
        for epoch in range(start.epoch, self.options.epochs):
            if self.model.stop_training and start.step == 0:
                break
            logs = self._epoch(start, steps, train, validation, callbacks)
            for name, value in logs.items():
                self._history.setdefault(name, []).append(value)
            start = Position(epoch + 1)
            self._offer(start, steps, callbacks, logs)
        return logs

    def _resumed(
        self, found: Snapshot, train: Split, callbacks: keras.callbacks.CallbackList
    ) -> Position:
        """Put the state of a checkpoint back; return its position."""
        position = found.position
        first = epoch_order(len(train), self.options.seed, position.epoch)
        batch = train.take(first[: self.options.batch_size])
        self._programs.prepare(batch)
        if not loop_state.fits(loop_state.variables_of(self.model), found.arrays):
            # Some variables are made by a step only; what it changes is put back at once.
            self._programs.train(batch, 1, step_seeds(0, 1, self.options.seed, position.epoch))
        if position.step:
            callbacks.on_epoch_begin(position.epoch)
        loop_state.restore(self.model, callbacks.callbacks, found)
        self._history = {name: list(v) for name, v in found.state["history"].items()}
        self.observer.notice(
            f"goes on after step {found.steps}, in epoch {position.epoch + 1}"
            if position.epoch < self.options.epochs
            else f"goes on after step {found.steps}, the last one"
        )
        return position

    def _offer(
        self,
        position: Position,
        steps: int,
        callbacks: keras.callbacks.CallbackList,
        logs: Logs,
        boundary: bool = False,
    ) -> None:
        """Let the state be kept, if it is time to."""

        def snapshot() -> Snapshot:
            taken = loop_state.take(self.model, callbacks.callbacks)
            self._tell_lost(taken.lost)
            state = {**taken.state, "history": self._history, "logs": logs}
            done = position.epoch * steps + position.step
            return Snapshot(position, taken.arrays, copy.deepcopy(state), done)

        self.checkpoints.offer(snapshot, boundary)

    def _tell_lost(self, lost: Sequence[str]) -> None:
        if lost and not self._told_lost:
            self._told_lost = True
            self.observer.notice(
                f"warning: no checkpoint can hold {', '.join(lost)}: a resumed run begins with "
                f"what the callback's constructor sets. Keep numbers, texts, lists or arrays."
            )

    def _epoch(
        self,
        start: Position,
        steps: int,
        train: Split,
        validation: Split | None,
        callbacks: keras.callbacks.CallbackList,
    ) -> Logs:
        epoch = start.epoch
        self.observer.epoch_started(epoch + 1, steps)
        if start.step == 0:
            self.model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
        done, seconds = self._train_steps(start, steps, train, callbacks)
        logs = self._metrics()
        if validation is not None:
            self._offer(Position(epoch, done, seconds), steps, callbacks, logs, boundary=True)
            held_out = self.evaluate(validation).metrics
            logs |= {f"val_{name}": value for name, value in held_out.items()}
        callbacks.on_epoch_end(epoch, logs)
        # Callbacks may add to the logs (ReduceLROnPlateau its learning rate): history is last.
        logs = {name: values[-1] for name, values in self.model.history.history.items()}
        seen = min(done * self.options.batch_size, len(train))
        logs = {name: float(value) for name, value in logs.items()}
        logs |= {"epoch_seconds": seconds, "examples_per_second": seen / seconds}
        self.observer.epoch_ended(epoch + 1, logs)
        return logs

    def _train_steps(
        self, start: Position, steps: int, train: Split, callbacks: keras.callbacks.CallbackList
    ) -> tuple[int, float]:
        """Run the steps of an epoch that are left, in chunks.

        Returns:
            How many steps of it are done now, and the seconds they took.
        """
        epoch, step = start.epoch, start.step
        order = epoch_order(len(train), self.options.seed, epoch)
        each_step = any(acts_on_batches(callback) for callback in self.callbacks)
        began = time.perf_counter() - start.seconds
        while step < steps and not self.model.stop_training:
            before = epoch * steps + step
            last = min(step + (1 if each_step else self._chunk), steps)
            callbacks.on_train_batch_begin(step)
            followed = self._run_chunk(epoch, step, last, order, train)
            logs = self._metrics()
            callbacks.on_train_batch_end(last - 1, logs)
            self.observer.advanced(last, logs)
            self._report(before, followed)
            step = last
            seconds = time.perf_counter() - began
            self._offer(Position(epoch, step, seconds), steps, callbacks, logs)
        return step, time.perf_counter() - began

    def _report(self, before: int, followed: Sequence[Logs]) -> None:
        """Report what followed after ``before`` steps of the training, where it is time to."""
        every = self.options.report_every
        if every is None:
            return
        at_steps = enumerate(followed, start=before + 1)
        if reports := [(step, logs) for step, logs in at_steps if step % every == 0]:
            self.observer.reported(reports)

    def _run_chunk(
        self, epoch: int, first: int, last: int, order: np.ndarray[Any, Any], train: Split
    ) -> list[Logs]:
        """Run the steps ``range(first, last)``; a last batch that is not full runs by itself.

        Returns:
            The metrics after each step, if they are reported.
        """
        size = self.options.batch_size
        seeds = step_seeds(first, last, self.options.seed, epoch)
        positions = order[first * size : last * size]
        full = len(positions) // size
        began = time.perf_counter()
        followed: list[Logs] = []
        if full:
            examples = train.take(positions[: full * size])
            followed += self._follow(examples, full, seeds[:full])
        if full < last - first:
            followed += self._follow(train.take(positions[full * size :]), 1, seeds[full:])
        self._adapt_chunk(last - first, time.perf_counter() - began)
        return followed

    def _follow(self, examples: Split, steps: int, seeds: Seeds) -> list[Logs]:
        """Take the steps; return the metrics after each, if they are reported.

        The evaluation is traced beside the first of all, as the number of calls to come depends
        on the clock.
        """
        ahead, self._foreseen = self._foreseen, None
        followed = self._programs.train(examples, steps, seeds, ahead)
        columns = [values.tolist() for values in followed.values()]
        return [dict(zip(followed, row, strict=True)) for row in zip(*columns, strict=True)]

    def _adapt_chunk(self, steps: int, seconds: float) -> None:
        """Choose the next chunk's length. It changes when others may act, not what is computed."""
        if self._chunk == 1:
            self._chunk = _MEASURED_STEPS  # the first step compiled; its time tells nothing
        elif steps >= _MEASURED_STEPS:
            self._chunk = max(1, int(CHUNK_SECONDS * steps / max(seconds, 1e-6)))

    def _metrics(self) -> Logs:
        results = self.model.get_metrics_result()
        return {name: float(value) for name, value in results.items()}


def acts_on_batches(callback: keras.callbacks.Callback) -> bool:
    """Return whether the callback overrides a hook that is called around training batches."""
    hooks = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    base = keras.callbacks.Callback
    return any(getattr(type(callback), hook) is not getattr(base, hook) for hook in hooks)
