"""The programs of a model that several devices train together: each takes its share of a batch.

What is computed is what one device computes on the whole batch, up to the order of sums. An
adapter of TensorFlow: import it where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from shackdoo.errors import RunError
from shackdoo.training.dataset import leaves, map_arrays
from shackdoo.training.devices import BATCH_SIZES, unshared_argument, unshared_batch
from shackdoo.training.programs import Augment, Programs

if TYPE_CHECKING:
    from shackdoo.training.loop import LoopOptions

Step = Callable[[Any], Any]

SEED_STATE = "seed_generator_state"  # how Keras names the variable of a generator
_APART = 10**9  # Keras draws the seed of a generator up to here, and takes seeds modulo 2**31 - 2
_MEANS = ("sum_over_batch_size", "mean")  # reductions whose shares add up to that of a batch


def programs_for(
    model: keras.Model,
    augment: Augment | None,
    options: LoopOptions,
    notice: Callable[[str], None],
) -> Programs:
    """Return the programs of a model, by the strategy in whose scope it was built.

    Raises:
        RunError: if its batches, its loss or its optimizer can't be shared by several devices.
    """
    follow = options.report_every is not None
    if not isinstance(model.distribute_strategy, tf.distribute.MirroredStrategy):
        return Programs(model, augment, options.xla, notice, follow)
    for name in BATCH_SIZES:
        devices = model.distribute_strategy.num_replicas_in_sync
        if why := unshared_batch(name, getattr(options, name), devices):
            raise RunError(why)
    return MirroredPrograms(model, augment, options.xla, notice, follow)


class MirroredPrograms(Programs):
    """Runs ``train_step`` and ``test_step`` on every device; augmentation stays before the split.

    A batch that can't be shared equally (the last of an epoch or of a split) is computed whole by
    every device, and counted once: only so are means and statistics those of its examples.
    """

    def __init__(
        self,
        model: keras.Model,
        augment: Augment | None,
        xla: bool,
        notice: Callable[[str], None],
        follow: bool = False,
    ) -> None:
        """Prepare the programs.

        Raises:
            RunError: if loss, layers or optimizer mean something else on several devices.
        """
        _check_sums(model)
        _check_layers(model)
        self._strategy = model.distribute_strategy
        self._devices = self._strategy.num_replicas_in_sync
        super().__init__(model, augment, False, notice, follow)
        for text in _differences(model, xla):
            notice(text)

    def _build_state(self, batches: Any) -> None:
        if self._built:
            return
        with self._strategy.scope():
            super()._build_state(batches)
        _check_variables(self._model)
        if any(_is_foreign(layer) for layer in self._model._flatten_layers()):
            self._check_own_losses(map_arrays(lambda leaf: leaf[0], batches)[0])

    def _build_model(self, batch: Any) -> None:
        self._model._symbolic_build(data_batch=batch)  # in the strategy's scope

    def _follow_from_state(self) -> None:
        """Leave the metrics to be read: each device has a state of its own."""

    def _check_own_losses(self, inputs: Any) -> None:
        """Refuse what layers of the user's add to the loss; only a call tells, so one is traced."""

        def call(inputs: Any) -> None:
            self._model(inputs, training=True)

        calls = tf.function(lambda: self._strategy.run(call, args=(inputs,)), autograph=False)
        calls.get_concrete_function()
        adding = [layer for layer in self._model._flatten_layers() if layer._losses]
        if adding:
            raise RunError(
                f"The layer '{adding[0].name}' adds a loss of its own (add_loss), which does not "
                f"come out as on one device, so it can't be used with strategy=mirrored. Put it "
                f"into loss(), or train on one device (strategy=single)."
            )

    def _one_step(self, batch: Any) -> list[Any]:
        self._run(self._own_draws(self._model.train_step), self._model.train_step, batch)
        return []

    def _one_evaluation(self, batch: Any) -> Any:
        outputs = self._run(self._tested, self._tested, batch)
        parts = self._devices if self._sharable(batch) else 1
        return tf.nest.map_structure(lambda leaf: tf.concat(self._copies(leaf)[:parts], 0), outputs)

    def _run(self, share: Step, whole: Step, batch: Any) -> Any:
        """Run ``share`` on each device's share, or else ``whole`` on all; return what each says."""
        self._gather_metrics()
        if self._sharable(batch):
            return self._strategy.run(share, args=(self._shared(batch),))
        outputs = self._strategy.run(whole, args=(batch,))
        self._forget_copies()
        return outputs

    def _sharable(self, batch: Any) -> bool:
        return bool(leaves(batch)[0].shape[0] % self._devices == 0)

    def _shared(self, batch: Any) -> Any:
        def share(leaf: Any) -> Any:
            parts = tf.split(leaf, self._devices)
            return self._strategy.experimental_distribute_values_from_function(
                lambda context: parts[context.replica_id_in_sync_group]
            )

        return map_arrays(share, batch)

    def _own_draws(self, step: Step) -> Step:
        """Return the step with other random draws on each device, as other examples need them.

        Between steps the states are those of one device: a checkpoint holds one of them.
        """
        states = [v.value for v in self._model.variables if v.name == SEED_STATE]

        def drawing(batch: Any) -> None:
            device = tf.distribute.get_replica_context().replica_id_in_sync_group
            apart = tf.stack([tf.cast(device, tf.int64) * _APART, 0])  # states are int64
            for state in states:
                state.assign_add(apart)
            step(batch)
            for state in states:
                state.assign_sub(apart)

        return drawing

    def _gather_metrics(self) -> None:
        """Move the metrics to the first device, in the order of the devices.

        Where they are says nothing then: a checkpoint, which holds their sums, holds all of them.
        """
        for copies in self._summed_metrics():
            _assign_sum(copies, tf.add_n([copy.read_value() for copy in copies]))

    def _forget_copies(self) -> None:
        for copies in self._summed_metrics():
            _assign(copies[1:], [tf.zeros_like(copy) for copy in copies[1:]])

    def _summed_metrics(self) -> Iterator[tuple[Any, ...]]:
        for variable in self._model.metrics_variables:
            if _is_summed(variable.value):
                yield self._copies(variable.value)

    def _copies(self, value: Any) -> tuple[Any, ...]:
        copies: tuple[Any, ...] = self._strategy.experimental_local_results(value)
        return copies


def assign(variable: keras.Variable, value: Any) -> None:
    """Give a variable a value, to the bit: of a sum over devices the first one has the whole.

    TensorFlow would give an equal part to each, which rounds if they are no power of two.
    """
    if isinstance(variable.value, tf.distribute.DistributedValues) and _is_summed(variable.value):
        _assign_sum(variable.value.values, tf.convert_to_tensor(value, variable.dtype))
    else:
        variable.assign(value)


def _is_summed(value: Any) -> bool:
    return bool(value.aggregation == tf.VariableAggregation.SUM)


def _assign_sum(copies: tuple[Any, ...], total: Any) -> None:
    _assign(copies, [total, *[tf.zeros_like(total)] * (len(copies) - 1)])


def _assign(variables: tuple[Any, ...], values: list[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        with tf.device(variable.device):
            variable.assign(value)


def _check_sums(model: keras.Model) -> None:
    """Refuse what would silently be another training than that of one device."""
    updating = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # scaling its losses
    refused = unshared_argument(vars(updating))
    if refused:
        raise RunError(refused[1])
    for loss in tf.nest.flatten(model.loss):
        reduction = getattr(loss, "reduction", _MEANS[0])
        if reduction not in _MEANS:
            raise RunError(
                f"The loss '{loss.name}' has reduction={reduction!r}, by which the losses of the "
                f"devices' shares don't add up to that of a batch. Use "
                f"reduction='sum_over_batch_size', or train on one device (strategy=single)."
            )


def _check_layers(model: keras.Model) -> None:
    """Refuse losses of layers: where devices wait for each other, they come out wrong."""
    for layer in model._flatten_layers():
        if getattr(layer, "activity_regularizer", None) is not None:
            raise RunError(
                f"The layer '{layer.name}' has an activity_regularizer, whose loss does not come "
                f"out as on one device, so it can't be used with strategy=mirrored. Leave it away, "
                f"or train on one device (strategy=single)."
            )


def _is_foreign(layer: keras.Layer) -> bool:
    """Return whether a layer is not Keras' own; of those, only regularizers add to the loss."""
    return not type(layer).__module__.startswith("keras.")


def _check_variables(model: keras.Model) -> None:
    """Refuse a variable that all devices would change at once."""
    for variable in (*model.variables, *model.optimizer.variables, *model.metrics_variables):
        if not isinstance(variable.value, tf.distribute.DistributedValues):
            raise RunError(
                f"The variable '{variable.path}' was made outside of the strategy, so the devices "
                f"have no copy of it. Make optimizer and metrics in compile_model() or metrics() "
                f"of the task: strategy=mirrored calls them in the right place."
            )


def _differences(model: keras.Model, xla: bool) -> Iterator[str]:
    """Tell what will not be as on one device."""
    if xla:
        yield (
            "strategy=mirrored trains without XLA, which can't compile a step that crosses "
            "devices; strategy.xla=false spares this notice."
        )
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized:
            yield (
                f"The layer '{layer.name}' (BatchNormalization) takes its statistics from each "
                f"device's share of a batch alone, so the losses are not those of one device. Way "
                f"out: BatchNormalization(synchronized=True) in build_model()."
            )
