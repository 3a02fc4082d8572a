"""Answers of a trained model: ours against Keras' ``model.predict`` at its default.

Both predict the same images with the same ``.keras`` file, each in a process of its own, taken in
turns: once from a cold start, then again. Ours prepares, predicts and reads the answers; the peer
loads the model and calls ``model.predict(images, verbose=0)``, as its guide shows. Then the whole
command with one image: the cold start.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import (
    MNIST,
    SHACKDOO,
    Place,
    figure,
    interleave,
    place,
    print_machine,
    print_table,
    run,
)

SIZES = (10_000, 60_000)
SCRIPT = Path(__file__).resolve()


def main() -> None:
    """Train once, then measure in turns and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="Mnist_B", help="the task (default: Mnist_B)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of processes (default: 5)")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "MODEL", "IMAGES"), help="for itself")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_child(arguments.task, *arguments.child)))
        return
    with place() as somewhere, tempfile.TemporaryDirectory() as folder:
        model = _trained(somewhere, arguments.task)
        for size in SIZES:
            images = Path(folder) / f"{size}.npy"
            np.save(images, _images(size))
            _compare(arguments.task, model, images, arguments.rounds, somewhere)
        _cold_start(somewhere, Path(folder), arguments.rounds)
    print_machine()


def _trained(somewhere: Place, task: str) -> Path:
    output = somewhere.train(f"task={task}").prompt.output
    lines = dict(line.split(None, 1) for line in output.splitlines())
    return Path(lines["model"])


def _images(count: int) -> np.ndarray[Any, Any]:
    from shackdoo.catalog.formats import decode

    (train, _), (test, _) = decode(MNIST.read_bytes(), "pickle", str(MNIST))
    images: np.ndarray[Any, Any] = test if count == len(test) else train[:count]
    return images


def _compare(task: str, model: Path, images: Path, rounds: int, somewhere: Place) -> None:
    def child(way: str) -> Any:
        command = [sys.executable, SCRIPT, "--task", task, "--child", way, model, images]
        return run(command, somewhere.environment).result()

    results = interleave({way: lambda way=way: child(way) for way in ("ours", "predict")}, rounds)
    ours, peer = results["ours"], results["predict"]
    same = all(a["labels"] == b["labels"] for a, b in zip(ours, peer, strict=True))
    rows = []
    for when in ("first", "again"):
        for unit in ("cpu", "wall"):
            key = f"{when}_{unit}"
            pairs = [b[key] / a[key] for a, b in zip(ours, peer, strict=True)]
            rows.append(
                (
                    f"{when} call, {unit} s",
                    figure(a[key] for a in ours),
                    figure(b[key] for b in peer),
                    figure(pairs, 1),
                )
            )
    title = f"{images.stem} images; labels {'the same' if same else 'DIFFER'}"
    print_table(title, ("", "ours", "model.predict", "times less"), rows)


def _cold_start(somewhere: Place, folder: Path, rounds: int) -> None:
    np.save(folder / "one.npy", _images(10_000)[:1])
    command = [*SHACKDOO, "infer", "input=one.npy", "output=one.csv"]
    runs = [run(command, somewhere.environment, folder).require(0) for _ in range(rounds)]
    rows = [(figure(one.wall for one in runs), figure(one.cpu for one in runs))]
    print_table("shackdoo infer with one image, whole command", ("wall s", "CPU s"), rows)


# ── in the measured process ──────────────────────────────────────────────────────────────────


def _child(task: str, way: str, model: str, images: str) -> dict[str, Any]:
    ready = {"ours": _ours, "predict": _peer}[way](task, Path(model))
    pixels = np.load(images)
    measured: dict[str, Any] = {}
    for when in ("first", "again"):
        cpu, wall = time.process_time(), time.perf_counter()
        labels = ready(pixels)
        measured[f"{when}_cpu"] = time.process_time() - cpu
        measured[f"{when}_wall"] = time.perf_counter() - wall
    return {**measured, "labels": labels.tolist()}


def _ours(task: str, model: Path) -> Any:
    from shackdoo.commands.checking import check
    from shackdoo.config.compose import compose
    from shackdoo.config.project import find_project
    from shackdoo.training.runtime import start_tensorflow

    project = find_project()
    checked = check(compose("train", [f"task={task}"], project), project)
    config = checked.composed.config
    start_tensorflow(config.determinism, config.gpu, config.seed, project.state_dir() / "xla")
    from shackdoo.predictor import Predictor

    predictor = Predictor.load(checked.task, model)
    return lambda pixels: predictor.predict(pixels)["label"]


def _peer(task: str, path: Path) -> Any:
    import keras

    model = keras.saving.load_model(path, compile=False)
    return lambda pixels: model.predict(pixels, verbose=0).argmax(axis=1)


if __name__ == "__main__":
    main()
