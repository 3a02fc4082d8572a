"""The project that shackdoo succeeds, as far as it can be told: five epochs of a plain ``fit``.

It unpickles MNIST, opens an MLflow experiment on SQLite, trains a small Keras convnet (that of
Keras' own MNIST example) for five epochs, and logs parameters, metrics of each epoch and the
model file. Measured is the whole command, beside ``shackdoo train`` until its prompt.
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

from keras_convnet import build_example
from measure import (
    HERE,
    MNIST,
    Measure,
    Tracked,
    adopt_orphans,
    figure,
    interleave,
    place,
    print_machine,
    print_table,
    run,
)


def main() -> None:
    """Run the script itself (``--in FOLDER``), or both sides in turns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="pairs of runs (default: 3)")
    parser.add_argument("--epochs", type=int, default=5, help="of the predecessor (default: 5)")
    parser.add_argument("--examples", type=int, help="only so many training images, to try it out")
    parser.add_argument("--task", default="Mnist_B", help="shackdoo's task (default: Mnist_B)")
    parser.add_argument("--in", dest="folder", type=Path, help="train there, print JSON")
    arguments = parser.parse_args()
    if arguments.folder:
        print(json.dumps(train(arguments.folder, arguments.epochs, arguments.examples)))
        return
    adopt_orphans()
    with place() as somewhere:
        results = interleave(
            {
                "predecessor": lambda: _run(somewhere.folder, arguments),
                "shackdoo": lambda: somewhere.train(f"task={arguments.task}"),
            },
            arguments.rounds,
        )
    _print(arguments, results["predecessor"], results["shackdoo"])
    print_machine()


def train(folder: Path, epochs: int, examples: int | None) -> dict[str, Any]:
    """Train as the predecessor did; return the seconds of each part and the test accuracy."""
    began = time.perf_counter()
    parts: dict[str, float] = {}

    def part(name: str) -> None:
        parts[name] = round(time.perf_counter() - began - sum(parts.values()), 2)

    import keras
    import mlflow
    import numpy as np

    part("imports")
    with gzip.open(MNIST, "rb") as file:
        (images, labels), (test_images, test_labels) = pickle.load(file)
    part("data")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'predecessor.db'}")
    mlflow.set_experiment("mnist")
    part("experiment")
    keras.utils.set_random_seed(0)
    model = build_example(keras)
    x, y = images[:examples, ..., None] / np.float32(255), np.eye(10)[labels[:examples]]
    with mlflow.start_run():
        mlflow.log_params({"epochs": epochs, "batch_size": 128, "optimizer": "adam"})
        log = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: mlflow.log_metrics(logs, step=epoch)
        )
        model.fit(
            x, y, batch_size=128, epochs=epochs, validation_split=0.1, verbose=0, callbacks=[log]
        )
        part("fit")
        test = (test_images[..., None] / np.float32(255), np.eye(10)[test_labels])
        _, accuracy = model.evaluate(*test, verbose=0)
        mlflow.log_metric("test_accuracy", accuracy)
        model.save(folder / "model.keras")
        mlflow.log_artifact(str(folder / "model.keras"))
    part("test and logging")
    return {"test_accuracy": accuracy, "parts": parts}


def _run(folder: Path, arguments: argparse.Namespace) -> Measure:
    command: list[str | Path] = [sys.executable, HERE / "predecessor.py", "--in", folder]
    command += ["--epochs", str(arguments.epochs)]
    if arguments.examples:
        command += ["--examples", str(arguments.examples)]
    return run(command, {"TF_CPP_MIN_LOG_LEVEL": "3"}, folder).require(0)


def _print(
    arguments: argparse.Namespace, theirs: Sequence[Measure], ours: Sequence[Tracked]
) -> None:
    rows = [
        (
            f"predecessor, {arguments.epochs} epochs",
            figure((one.wall for one in theirs), 1),
            figure((one.cpu for one in theirs), 1),
            figure(100 * one.result()["test_accuracy"] for one in theirs),
        ),
        (
            f"shackdoo {arguments.task}, until the prompt (the first run cold)",
            figure((one.prompt.wall for one in ours), 1),
            figure((one.prompt.cpu for one in ours), 1),
            figure(100 * one.metrics["test_accuracy"] for one in ours),
        ),
    ]
    title = f"Whole command, {len(ours)} runs each"
    print_table(title, ("what", "wall s", "CPU s", "test accuracy %"), rows)
    parts = [one.result()["parts"] for one in theirs]
    print_table(
        "Where the predecessor's time goes",
        ("part", "wall s"),
        [(name, figure(one[name] for one in parts)) for name in parts[0]],
    )


if __name__ == "__main__":
    main()
