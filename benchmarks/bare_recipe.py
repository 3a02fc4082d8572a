"""The bare script that ``shackdoo train task=Mnist_B`` is measured against.

The same network, split, order of examples, settings and determinism, XLA with a persistent
cache, and imports trimmed, in one file without shackdoo: no tracking, no plots, no record, no
checks. Its last line of output is JSON: seconds of each part and the accuracies.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

KERAS_BLOCKED = ("sklearn", "matplotlib", "pandas")


class Clock:
    """Wall and CPU seconds of each part."""

    def __init__(self) -> None:
        """Start the first part."""
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._last = (time.perf_counter(), time.process_time())

    def part(self, name: str) -> None:
        """End the part that began where the last one ended."""
        now = (time.perf_counter(), time.process_time())
        self.wall[name] = round(now[0] - self._last[0], 3)
        self.cpu[name] = round(now[1] - self._last[1], 3)
        self._last = now


def start_tensorflow(cache: Path, seed: int) -> tuple[Any, Any]:
    """Import Keras and TensorFlow without what they do not need, and make them deterministic."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["TF_XLA_FLAGS"] = (
        f"--tf_xla_persistent_cache_directory={cache} --tf_xla_persistent_cache_read_only=false"
    )
    sys.modules.update(dict.fromkeys(KERAS_BLOCKED))
    import keras
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    return keras, tf


def build(keras: Any, parameters: dict[str, Any]) -> Any:
    """Return the network: uint8 images ``(batch, 28, 28)`` to logits ``(batch, 10)``."""
    layers = keras.layers
    filters = parameters["stem_filters"]
    size, stride = parameters["stem_size"], parameters["stem_stride"]

    def normalized(x: Any) -> Any:
        momentum = parameters["batch_norm_momentum"]
        return layers.LeakyReLU(0.0)(
            layers.BatchNormalization(momentum=momentum, epsilon=1e-5, scale=False)(x)
        )

    def convolution(filters: int, size: int, strides: int, trainable: bool = True) -> Any:
        rule = {"use_bias": False, "kernel_initializer": "he_normal", "trainable": trainable}
        return layers.Conv2D(filters, size, strides, **rule)

    images = keras.Input((28, 28), dtype="uint8")
    x = layers.Cropping2D(2)(layers.Reshape((28, 28, 1))(images))
    x = layers.Rescaling(1 / 78.6, offset=-33.3 / 78.6)(x)
    if parameters["stem"] == "learned":
        x = normalized(convolution(filters, size, stride)(x))
    else:
        stem = convolution(filters // 2, size, stride, trainable=False)
        x = stem(x)
        stem.kernel.assign(cosine_waves(filters // 2, size))
        x = layers.LeakyReLU(0.0)(layers.Concatenate()([x, -x]))
    x = convolution(parameters["body_filters"], parameters["body_size"], 1)(x)
    x = layers.Maximum()([x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)])
    x = layers.Dense(parameters["dense_units"], use_bias=False)(layers.Flatten()(normalized(x)))
    x = layers.Dropout(parameters["dropout"])(normalized(x))
    return keras.Model(images, layers.Dense(10)(x))


def cosine_waves(count: int, size: int) -> Any:
    """Return the slowest waves, the faster the louder: ``(size, size, 1, count)``."""
    frequencies = np.arange(size)
    basis = np.cos(np.pi * np.outer(2 * frequencies + 1, frequencies) / (2 * size))
    basis /= np.linalg.norm(basis, axis=0)
    pairs = sorted(np.ndindex(size, size), key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair))
    waves = [(1 + np.hypot(i, j)) * np.outer(basis[:, i], basis[:, j]) for i, j in pairs[:count]]
    return np.stack(waves, axis=-1)[:, :, None]


def triangle(keras: Any, peak: float, shape: dict[str, float], total: int) -> Any:
    """Return the schedule: linear up to ``peak`` in the warm-up, then linear down."""
    warmup, start, end = shape["warmup"], shape["start"], shape["end"]

    class Triangle(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            done = keras.ops.cast(step, "float32") / float(total)
            up = start + (1 - start) * done / warmup
            down = end + (1 - end) * (1 - done) / (1 - warmup)
            return peak * keras.ops.where(done < warmup, up, down)

    return Triangle()


def optimizer(keras: Any, values: dict[str, Any], total: int) -> Any:
    """Return the Keras optimizer of the configuration, with its schedule if it has one."""
    arguments = {key: value for key, value in values.items() if key != "_target_"}
    rate, shape = arguments.pop("learning_rate"), arguments.pop("schedule")
    if shape and not shape["_target_"].endswith(".Triangle"):
        sys.exit(f"the bare script knows the triangle only, not {shape['_target_']}")
    kind = getattr(keras.optimizers, values["_target_"].rpartition(".")[2])
    schedule = triangle(keras, rate, shape, total) if shape else rate
    return kind(learning_rate=schedule, **arguments)


def load(file: Path, fraction: float, seed: int) -> tuple[tuple[Any, Any], ...]:
    """Return (images, labels) to train, validate and test on: uint8 and int32."""
    with gzip.open(file, "rb") as pickled:
        (images, labels), (test_images, test_labels) = pickle.load(pickled)
    held = round(len(images) * fraction)
    order = np.random.default_rng(seed).permutation(len(images))
    kept, held_out = np.sort(order[held:]), np.sort(order[:held])
    splits = (images[kept], labels[kept]), (images[held_out], labels[held_out])
    return tuple((x, y.astype(np.int32)) for x, y in (*splits, (test_images, test_labels)))


def epoch_program(
    tf: Any, model: Any, optimizer: Any, train: tuple[Any, Any], parameters: dict[str, Any]
) -> Callable[[Any, Any], None]:
    """Return the program of an epoch; it takes the order of visits and a seed for each step."""
    images, labels = (tf.constant(part) for part in train)
    batch, reach = parameters["batch_size"], parameters["shift"]
    smoothing = parameters["label_smoothing"]

    @tf.function(jit_compile=True)
    def step(x: Any, y: Any) -> None:
        targets = tf.one_hot(y, 10) * (1 - smoothing) + smoothing / 10
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables))

    @tf.function
    def epoch(visits: Any, seeds: Any) -> None:
        for number in tf.range(tf.shape(seeds)[0]):
            positions = visits[number * batch : (number + 1) * batch]
            move = tf.random.stateless_uniform([2], seeds[number], -reach, reach + 1, tf.int32)
            x = tf.roll(tf.gather(images, positions), move, axis=[1, 2])
            step(x, tf.gather(labels, positions))

    return epoch


def accuracy_program(tf: Any, model: Any, size: int) -> Callable[[tuple[Any, Any]], float]:
    """Return a function from (images, labels) to the accuracy on them."""

    @tf.function(jit_compile=True)
    def hits(x: Any, y: Any) -> Any:
        right = tf.argmax(model(x, training=False), axis=1, output_type=tf.int32) == y
        return tf.reduce_sum(tf.cast(right, tf.int32))

    def accuracy(split: tuple[Any, Any]) -> float:
        x, y = split
        parts = range(0, len(x), size)
        return sum(int(hits(x[at : at + size], y[at : at + size])) for at in parts) / len(x)

    return accuracy


def visits_and_seeds(examples: int, steps: int, seed: int, epoch: int) -> tuple[Any, Any]:
    """Return an epoch's order of examples and the seed of each step's augmentation."""
    visits = np.random.default_rng([seed, epoch]).permutation(examples)
    stream = np.random.SeedSequence([seed, epoch, 1]).generate_state(1)[0].astype(np.int32)
    seeds = np.stack([np.full(steps, stream), np.arange(steps)], axis=1)
    return visits, seeds.astype(np.int32)


def main() -> None:
    """Train, evaluate on validation and test, print the times."""
    arguments = _arguments()
    clock = Clock()
    values = _settings(arguments)
    seed, parameters = values["seed"], values["task"]["parameters"]
    clock.part("settings")
    keras, tf = start_tensorflow(arguments.cache, seed)
    clock.part("imports")
    train, validation, test = load(arguments.data, parameters["validation_fraction"], seed)
    clock.part("data")
    model = build(keras, parameters)
    full_batches = len(train[0]) // parameters["batch_size"]
    steps = min(full_batches, parameters["max_steps_per_epoch"] or full_batches)
    rule = optimizer(keras, values["optimizer"], steps * parameters["epochs"])
    rule.build(model.trainable_variables)
    epoch = epoch_program(tf, model, rule, train, parameters)
    accuracy = accuracy_program(tf, model, parameters["evaluation_batch_size"])
    clock.part("build")
    for number in range(parameters["epochs"]):
        epoch(*map(tf.constant, visits_and_seeds(len(train[0]), steps, seed, number)))
        on_validation = accuracy(validation)
    clock.part("compile, train, validate")
    on_test = accuracy(test)
    clock.part("test")
    found = {"validation_accuracy": on_validation, "test_accuracy": on_test}
    print(json.dumps(found | {"wall": clock.wall, "cpu": clock.cpu}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--data", type=Path, default=root / "data" / "raw" / "mnist.pkl.gz")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path.home() / ".cache" / "bare-recipe-xla",
        help="folder of XLA's persistent cache (default: ~/.cache/bare-recipe-xla)",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        help="JSON of a composed configuration; without it, that of --task is composed first",
    )
    parser.add_argument("--task", default="Mnist_B")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> Any:
    if arguments.settings:
        return json.loads(arguments.settings.read_text(encoding="utf-8"))
    from measure import settings

    return settings(arguments.task)


if __name__ == "__main__":
    main()
