"""Training to 99 % test accuracy: Keras' example convnet for MNIST against a shackdoo task.

The example is written from its published description: two convolutions of 32 and 64 filters
of 3 by 3 with ReLU, each followed by max pooling, dropout of 0.5, a softmax of 10; Adam,
batches of 128, a tenth of the training images held out for validation. It is stopped at the
first epoch that reaches the target on the test set, which flatters it. Counted is the training
alone (with compiling and validation), not the test evaluation after each epoch.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import (
    HERE,
    MNIST,
    Place,
    adopt_orphans,
    figure,
    interleave,
    place,
    print_machine,
    print_table,
    run,
)


def main() -> None:
    """Run one seed of the example (``--only``), or both sides over several seeds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1 (default: 3)")
    parser.add_argument("--target", type=float, default=0.99, help="test accuracy (default: 0.99)")
    parser.add_argument("--epochs", type=int, default=15, help="at most so many (default: 15)")
    parser.add_argument("--examples", type=int, help="only so many training images, to try it out")
    parser.add_argument("--task", default="Mnist_B", help="shackdoo's task (default: Mnist_B)")
    parser.add_argument("--only", type=int, metavar="SEED", help="the example alone, as JSON")
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(json.dumps(example(arguments)))
        return
    adopt_orphans()
    seeds: dict[str, list[int]] = {"example": [], "shackdoo": []}

    def next_seed(side: str) -> int:
        seeds[side].append(len(seeds[side]))
        return seeds[side][-1]

    results = interleave(
        {
            "example": lambda: run_example(
                next_seed("example"), arguments.target, arguments.epochs, arguments.examples
            ),
            "shackdoo": lambda: _run_shackdoo(arguments.task, next_seed("shackdoo")),
        },
        arguments.seeds,
    )
    _print(arguments, results["example"], results["shackdoo"])
    print_machine()


def example(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train the example with one seed; return epochs, seconds and the test accuracy reached."""
    import keras
    import tensorflow as tf

    with gzip.open(MNIST, "rb") as file:
        (images, labels), (test_images, test_labels) = pickle.load(file)
    x, y = _prepared(images[: arguments.examples], labels[: arguments.examples])
    test = _prepared(test_images, test_labels)
    keras.utils.set_random_seed(arguments.only)
    model = build_example(keras)
    tf.random.set_seed(None)  # or fit would visit the examples in one order every epoch
    clock = _stopper(keras, test, arguments.target)
    model.fit(
        x,
        y,
        batch_size=128,
        epochs=arguments.epochs,
        validation_split=0.1,
        verbose=0,
        callbacks=[clock],
    )
    best = max(clock.accuracies)
    return {
        "epochs": len(clock.accuracies),
        "reached": best >= arguments.target,
        "test_accuracy": best,
        "wall": clock.wall,
        "cpu": clock.cpu,
    }


def build_example(keras: Any) -> Any:
    """Return the example's network, compiled."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def _prepared(images: Any, labels: Any) -> tuple[Any, Any]:
    import numpy as np

    return images[..., None].astype("float32") / 255, np.eye(10, dtype="float32")[labels]


def _stopper(keras: Any, test: tuple[Any, Any], target: float) -> Any:
    class Stopper(keras.callbacks.Callback):
        """Counts the seconds of the epochs and stops at the target."""

        def __init__(self) -> None:
            super().__init__()
            self.wall = self.cpu = 0.0
            self.accuracies: list[float] = []

        def on_train_begin(self, logs: object = None) -> None:
            self._began = (time.perf_counter(), time.process_time())

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            self.wall += time.perf_counter() - self._began[0]
            self.cpu += time.process_time() - self._began[1]
            hits = self.model.predict(test[0], batch_size=1000, verbose=0).argmax(axis=1)
            self.accuracies.append(float((hits == test[1].argmax(axis=1)).mean()))
            self.model.stop_training = self.accuracies[-1] >= target
            self._began = (time.perf_counter(), time.process_time())

    return Stopper()


def run_example(
    seed: int, target: float, epochs: int, examples: int | None = None
) -> dict[str, Any]:
    """Train the example in a process of its own; return what :func:`example` does.

    Args:
        seed: of its weights and order.
        target: test accuracy to stop at.
        epochs: at most so many.
        examples: only so many training images; None for all.
    """
    command: list[str | Path] = [sys.executable, HERE / "keras_convnet.py", "--only", str(seed)]
    command += ["--target", str(target), "--epochs", str(epochs)]
    if examples:
        command += ["--examples", str(examples)]
    result: dict[str, Any] = run(command, {"TF_CPP_MIN_LOG_LEVEL": "3"}).result()
    return result


def _run_shackdoo(task: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train twice in one place: no compiled program is cached, then all of them are."""
    with place() as somewhere:
        return clocked(somewhere, task, seed), clocked(somewhere, task, seed)


def clocked(somewhere: Place, task: str, seed: int) -> dict[str, Any]:
    """Train a task once; return seconds of the training alone and the test accuracy."""
    file = somewhere.folder / "clock.json"
    clock = ["_target_=training_clock.TrainingClock", f"file={file}"]
    one = somewhere.train(
        f"task={task}", f"seed={seed}", *(f"+callbacks.clock.{value}" for value in clock)
    )
    took: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return took | {"test_accuracy": one.metrics["test_accuracy"]}


def _print(
    arguments: argparse.Namespace,
    theirs: Sequence[dict[str, Any]],
    ours: Sequence[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    cold, warm = ([pair[place] for pair in ours] for place in (0, 1))
    missed = sum(not one["reached"] for one in theirs)
    rows = [
        (
            f"Keras' example, {figure((one['epochs'] for one in theirs), 0)} epochs"
            + (f"; {missed} of {len(theirs)} did not reach it" if missed else ""),
            *_figures(theirs),
        ),
        (f"shackdoo {arguments.task}, nothing compiled before", *_figures(cold)),
        (f"shackdoo {arguments.task}, again", *_figures(warm)),
        ("ratio to the first, seed by seed", *_ratios(theirs, cold)),
        ("ratio to the second, seed by seed", *_ratios(theirs, warm)),
    ]
    title = f"Training to {100 * arguments.target:.1f} % on the test set, {len(theirs)} seeds"
    print_table(title, ("what", "wall s", "CPU s", "test accuracy %"), rows)


def _ratios(
    theirs: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]]
) -> tuple[str, str, str]:
    pairs = list(zip(theirs, ours, strict=True))
    wall, cpu = (figure((one[key] / our[key] for one, our in pairs), 1) for key in ("wall", "cpu"))
    return wall, cpu, ""


def _figures(runs: Sequence[dict[str, Any]]) -> tuple[str, str, str]:
    return (
        figure(one["wall"] for one in runs),
        figure(one["cpu"] for one in runs),
        figure(100 * one["test_accuracy"] for one in runs),
    )


if __name__ == "__main__":
    main()
