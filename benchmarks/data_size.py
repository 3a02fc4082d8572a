"""Time and memory of a training against the size of its data.

MNIST once, and repeated with a shift of its own a copy and noise; each size is a catalog entry of
a project of its own and two epochs are trained over it, in a fresh process, in turns. Counted are
the seconds of the second epoch with its validation (the first one has compiled), and the largest
resident size of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import HERE, MNIST, ROOT, SHACKDOO, figure, interleave, print_machine, print_table, run

UNITS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss
NOISE = 8  # grey levels, at most
CATALOG = """
mnist_copies:
  layer: raw
  file: copies.npz
  format: npz
"""
TASK = """# @package _global_
defaults: [{task}, _self_]
task:
  name: Copies
  _target_: copies.Copies
  data: mnist_copies
  parameters: {{epochs: 2}}
tracking: {{enabled: false}}
report: {{page: false, curves: false, confusion_matrix: false, worst_mistakes: false}}
callbacks:
  clock: {{_target_: training_clock.LastEpochClock, file: {clock}}}
"""
CLASS = '''from shackdoo.tasks.mnist import Mnist_A


class Copies(Mnist_A):
    """Mnist_A on an npz file."""

    def splits(self, raw):
        """Return its splits."""
        train, test = ((raw[f"{part}_images"], raw[f"{part}_labels"]) for part in ("train", "test"))
        return super().splits((train, test))
'''


@dataclass(frozen=True)
class Took:
    """Seconds of an epoch, and the largest resident size of its process."""

    examples: int
    wall: float
    cpu: float
    peak_mb: float


def main() -> None:
    """Train over each size in turns; print a table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each (default: 3)")
    parser.add_argument("--task", default="Mnist_A", help="a task of MNIST (default: Mnist_A)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16], help="times MNIST")
    parser.add_argument("--plot", type=Path, help="picture to draw, .png or .svg")
    parser.add_argument("--make", type=Path, help="write the data of the first size there, and end")
    arguments = parser.parse_args()
    if arguments.make:
        np.savez(arguments.make, **_copies(arguments.sizes[0]))
        return
    with tempfile.TemporaryDirectory(prefix="shackdoo-bench-") as folder:
        projects = {
            size: _project(Path(folder, f"{size}x"), size, arguments.task)
            for size in arguments.sizes
        }
        trainings = {
            f"{size}x": lambda root=root, size=size: _trained(root, size)
            for size, root in projects.items()
        }
        results = interleave(trainings, arguments.rounds)
    _print(f"{arguments.task}, an epoch, {arguments.rounds} rounds", results)
    print_machine()
    if arguments.plot:
        _draw(results, arguments.plot)


def _project(root: Path, size: int, task: str) -> Path:
    """Make a project whose data are MNIST so many times."""
    (root / "conf" / "task").mkdir(parents=True)
    (root / "MLproject").write_text("name: copies\n", encoding="utf-8")
    (root / "conf" / "catalog.yaml").write_text(_catalog(), encoding="utf-8")
    text = TASK.format(task=task, clock=root / "clock.json")
    (root / "conf" / "task" / "Copies.yaml").write_text(text, encoding="utf-8")
    (root / "copies.py").write_text(CLASS, encoding="utf-8")
    # Not here: Linux counts what a process once held as a peak of each child that it starts.
    make = [sys.executable, __file__, "--sizes", str(size), "--make", root / "copies.npz"]
    run(make, {"PYTHONPATH": str(ROOT)}).require(0)
    return root


def _catalog() -> str:
    shipped = (ROOT / "conf" / "catalog.yaml").read_text(encoding="utf-8")
    return shipped + CATALOG


def _copies(size: int) -> dict[str, np.ndarray]:
    """Return MNIST with its training part repeated, each copy moved and noisy in its own way."""
    from shackdoo.catalog.formats import decode

    (images, labels), (test_images, test_labels) = decode(MNIST.read_bytes(), "pickle", "mnist")
    random = np.random.default_rng(0)
    parts = [images]
    for copy in range(1, size):
        moved = np.roll(images, (copy % 3 - 1, copy // 3 % 3 - 1), axis=(1, 2))
        noise = random.integers(0, NOISE, images.shape, dtype=np.uint8)
        parts.append(np.where(moved > 255 - NOISE, moved, moved + noise))
    return {
        "train_images": np.concatenate(parts),
        "train_labels": np.tile(labels, size),
        "test_images": test_images,
        "test_labels": test_labels,
    }


def _trained(root: Path, size: int) -> Took:
    environment = {
        "SHACKDOO_ROOT": str(root),
        "SHACKDOO_STATE": str(root / "state"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
    }
    done = run([*SHACKDOO, "train", "task=Copies"], environment, root).require(0)
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNITS_PER_MB
    if done.peak_mb <= own_mb:
        sys.exit(f"{done.peak_mb:.0f} MB is the peak of this process, not that of the training")
    took = json.loads((root / "clock.json").read_text(encoding="utf-8"))
    return Took(60_000 * size, took["wall"], took["cpu"], done.peak_mb)


def _per_example(some: Sequence[Took]) -> float:
    """Return microseconds of CPU time an example, the median of some trainings."""
    return statistics.median(one.cpu / one.examples for one in some) * 1e6


def _print(title: str, results: dict[str, list[Took]]) -> None:
    first = next(iter(results.values()))
    rows = [
        (
            name,
            f"{some[0].examples:,}",
            figure(one.wall for one in some),
            figure(one.cpu for one in some),
            f"{_per_example(some):.1f}",
            f"{_per_example(some) / _per_example(first):.2f}",
            figure((one.peak_mb for one in some), 0),
        )
        for name, some in results.items()
    ]
    columns = ("data", "examples", "wall s", "CPU s", "CPU µs an example", "against 1x", "peak MB")
    print_table(title, columns, rows)


def _draw(results: dict[str, list[Took]], file: Path) -> None:
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(7, 2.8), layout="constrained")
    examples = [some[0].examples for some in results.values()]
    drawn = (
        ("CPU seconds of an epoch", [[one.cpu for one in some] for some in results.values()]),
        ("peak memory, MB", [[one.peak_mb for one in some] for some in results.values()]),
    )
    for axes, (label, values) in zip(sheet.subplots(1, 2), drawn, strict=True):
        middle = [statistics.median(some) for some in values]
        axes.plot(examples, middle, marker="o")
        for x, some in zip(examples, values, strict=True):
            axes.plot([x] * len(some), some, ".", color="0.6", zorder=0)
        slope = (middle[-1] - middle[0]) / (examples[-1] - examples[0] or 1)
        line = [middle[0] + slope * (x - examples[0]) for x in (examples[0], examples[-1])]
        axes.plot([examples[0], examples[-1]], line, ":", color="0.4")
        axes.set(xlabel="training examples", ylabel=label, ylim=(0, None), xlim=(0, None))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}k")
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(file, dpi=100)


if __name__ == "__main__":
    main()
