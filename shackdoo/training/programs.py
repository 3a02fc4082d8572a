"""The compiled programs of a model: many training steps to a call, and evaluation.

An adapter of TensorFlow: import it where it is needed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import compute_output_spec

from shackdoo.training.dataset import Split, leaves, map_arrays
from shackdoo.training.following import Followed, Following
from shackdoo.training.order import Seeds
from shackdoo.training.rows import is_sharable

Augment = Callable[[Any, Any], Any]

# What TensorFlow raises when XLA can't take a program; nothing has been computed by then.
_REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.FailedPreconditionError,
)

_FRAMING = ("Graph execution error", "Detected at node", "<stack traces")  # around the reason


class Programs:
    """Runs a model's own ``train_step`` and ``test_step`` inside TensorFlow graphs.

    The step is compiled by XLA; the loop over steps and the augmentation stay outside, as
    slices with run-time offsets make XLA programs several times slower on CPUs.
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

        Args:
            model: compiled.
            augment: random change of a batch of inputs, or None.
            xla: whether XLA compiles the steps.
            notice: shows a line.
            follow: whether the metrics after each step are handed out.
        """
        self._model = model
        self._following = Following(model, follow)
        self._augment = augment
        self._notice = notice
        self._built = False
        self._build(xla)

    def prepare(self, examples: Split) -> None:
        """Create the variables of optimizer and metrics, as far as the shapes of a batch tell."""
        self._build_state(map_arrays(lambda leaf: _stacked(leaf, 1), examples.parts))

    def train(
        self, examples: Split, steps: int, seeds: Seeds, ahead: Split | None = None
    ) -> Followed:
        """Take ``steps`` training steps over the examples, in their order.

        Args:
            examples: ``steps`` batches of one size, one behind the other.
            steps: number of batches.
            seeds: for the augmentation of each step, ``(steps, 2)``.
            ahead: a batch whose evaluation is traced meanwhile.

        Returns:
            Each metric by its name, after each step: ``(steps,)``; empty if they are not followed.
        """
        batches = map_arrays(lambda leaf: _stacked(leaf, steps), examples.parts)
        self._build_state(batches)
        given = tf.constant(seeds)
        followed = self._with_way_out(lambda: self._take_steps(batches, given, ahead))
        return {name: values.numpy() for name, values in followed.items()}

    def evaluate(self, examples: Split) -> Any:
        """Add one batch to the model's metrics; return its outputs as NumPy arrays."""
        batch = map_arrays(tf.convert_to_tensor, examples.parts)
        outputs = self._with_way_out(lambda: self._evaluate(batch))
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), outputs)

    def _build(self, xla: bool) -> None:
        self.xla = xla
        # A new shape (a last batch that is not full) is a new program, never a slower general one.
        # As fit does, Python is run as it stands (no autograph): converting it takes longer.
        compiled = {"jit_compile": xla, "reduce_retracing": False, "autograph": False}
        self._train_step = tf.function(self._one_step, **compiled)
        self._evaluate = tf.function(self._one_evaluation, **compiled)
        self._train = tf.function(self._many_steps, autograph=False)

    def _build_state(self, batches: Any) -> None:
        """Create the variables of optimizer and metrics before the first trace.

        A trace that creates variables is thrown away and made once more, which costs about a
        second. What can't be built from shapes alone is left to that.
        """
        if self._built:
            return
        self._built = True
        batch = map_arrays(lambda leaf: leaf[0], batches)
        with contextlib.suppress(Exception):  # a model that must see numbers, not shapes
            self._build_model(batch)
            self._follow_from_state()

    def _build_model(self, batch: Any) -> None:
        """Build the state from shapes, without a call of the model where its layers tell them."""
        known = _known_output(self._model, len(leaves(batch)[0]))
        if known is None:
            self._model._symbolic_build(data_batch=batch)
            return
        self._model.optimizer.build(self._model.trainable_variables)
        inputs, targets, weights = map_arrays(
            lambda leaf: keras.KerasTensor(leaf.shape, leaf.dtype.name), batch
        )
        compute_output_spec(
            self._model.compute_metrics, inputs, targets, known, sample_weight=weights
        )

    def _follow_from_state(self) -> None:
        self._following.from_state()

    def _take_steps(self, batches: Any, seeds: Any, ahead: Split | None) -> Any:
        """Run the program for batches of this shape, the same for any number of them."""
        any_number = map_arrays(
            lambda leaf: tf.TensorSpec([None, *leaf.shape[1:]], leaf.dtype), batches
        )
        self._train.get_concrete_function(any_number, tf.TensorSpec([None, 2], seeds.dtype))
        if ahead is None:
            return self._train(batches, seeds)
        with ThreadPoolExecutor(1) as beside:  # XLA compiles without Python's lock
            steps = beside.submit(self._train, batches, seeds)
            self._foresee(ahead)
            return steps.result()

    def _foresee(self, examples: Split) -> None:
        """Trace the evaluation of such a batch.

        TensorFlow's name for a program counts what the process did before, and XLA's cache goes
        by the name: traced at a moment that is the same in each run, it is found there again.
        """
        self._evaluate.get_concrete_function(map_arrays(tf.convert_to_tensor, examples.parts))

    def _one_step(self, batch: Any) -> list[Any]:
        """Take a step; return what it hands out of itself to be followed."""
        self._model.train_step(batch)
        return self._following.state()

    def _one_evaluation(self, batch: Any) -> Any:
        step = getattr(self._model.test_step, "__func__", None)
        if step is not keras.Model.test_step:  # what another one does with outputs is its own
            return self._tested(batch)
        with _outputs_of(self._model) as outputs:
            self._model.test_step(batch)
        return outputs[0]

    def _tested(self, batch: Any) -> Any:
        """Run any ``test_step`` and a pass of the model's own, which XLA merges with it."""
        self._model.test_step(batch)
        return self._model(batch[0], training=False)

    def _many_steps(self, batches: Any, seeds: Any) -> Followed:
        steps = tf.shape(seeds)[0]

        def body(step: Any, arrays: Any) -> tuple[Any, Any]:
            inputs, targets, weights = map_arrays(lambda leaf: leaf[step], batches)
            if self._augment is not None:
                inputs = self._augment(inputs, seeds[step])
            state = self._train_step((inputs, targets, weights))
            return step + 1, self._following.write(arrays, step, state)

        start = (tf.constant(0), self._following.begin(steps))
        _, arrays = tf.while_loop(lambda step, _: step < steps, body, start, parallel_iterations=1)
        return self._following.end(arrays)

    def _with_way_out(self, run: Callable[[], Any]) -> Any:
        """Run a program; if XLA refuses it, say so and go on without XLA."""
        try:
            with _unoptimized() if self.xla else contextlib.nullcontext():
                return run()
        except _REFUSALS as refusal:
            if not self.xla:
                raise
            self._notice(_refusal_notice(self._model, str(refusal)))
            self._build(xla=False)
            return run()


def _known_output(model: keras.Model, examples: int) -> keras.KerasTensor | None:
    """Return what a model puts out for so many; None if a call tells, or it is several things.

    The losses of several outputs have a state, too.
    """
    if not type(model).call.__module__.startswith("keras."):
        return None
    try:
        output = model.output
    except (AttributeError, ValueError):
        return None
    if not isinstance(output, keras.KerasTensor):
        return None
    return keras.KerasTensor((examples, *output.shape[1:]), output.dtype)


@contextlib.contextmanager
def _outputs_of(model: keras.Model) -> Iterator[list[Any]]:
    """Give a list that has, after Keras' own ``test_step``, what the model has put out in it."""
    outputs: list[Any] = []
    compute = model.compute_metrics

    def seen(x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        outputs.append(y_pred)
        return compute(x, y, y_pred, sample_weight=sample_weight)

    model.compute_metrics = seen  # of this model only: a method of its class stays as it is
    try:
        yield outputs
    finally:
        del model.compute_metrics


@contextlib.contextmanager
def _unoptimized() -> Iterator[None]:
    """Spare TensorFlow its own optimization of a graph whose steps XLA compiles anyway."""
    option = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options().get(option, False)
    tf.config.optimizer.set_experimental_options({option: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({option: before})


def _stacked(leaf: Any, steps: int) -> Any:
    return _tensor(leaf.reshape((steps, len(leaf) // steps, *leaf.shape[1:])))


def _tensor(leaf: Any) -> Any:
    """Return an array that nobody writes to any more as a tensor, without a copy if it can be."""
    if is_sharable(leaf) and not tf.config.get_visible_devices("GPU"):
        return tf.experimental.dlpack.from_dlpack(leaf.__dlpack__())
    return tf.convert_to_tensor(leaf)


def _refusal_notice(model: keras.Model, refusal: str) -> str:
    """Name the layer that XLA rejects, if its message lets us tell, and the way out."""
    named = [layer for layer in model.layers if re.search(rf"/{layer.name}(_\d+)?/", refusal)]
    where = (
        f"the layer '{named[0].name}' ({type(named[0]).__name__})" if named else "one of its ops"
    )
    telling = (line for line in refusal.splitlines() if line and not line.startswith(_FRAMING))
    reason = next(telling, "no reason given")[:200]
    return (
        f"XLA rejects {where}, so this model trains without XLA, at about half the speed: "
        f"{reason} Way out: write that layer in other ops (a maximum of strided slices for "
        f"MaxPooling2D), or set strategy.xla=false to be spared this notice."
    )
