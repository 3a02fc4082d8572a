"""Accuracy against training time: shackdoo's tasks and Keras' example convnet for MNIST.

Counted is the training alone, with compiling and validation. The tasks train in a place of
their own each, whose first run is left out: from then on the compiled programs are there. The
example stops at the first epoch that reaches the target on the test set, which flatters it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from keras_convnet import clocked, run_example
from measure import Place, adopt_orphans, figure, interleave, place, print_machine, print_table

TASKS = ("Mnist_A", "Mnist_B", "Mnist_C")


def main() -> None:
    """Train all over several seeds, in turns, and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="default: all of MNIST")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to N-1 (default: 10)")
    parser.add_argument("--example-seeds", type=int, default=3, help="the example's (default: 3)")
    parser.add_argument("--target", type=float, default=0.99, help="the example's (default: 0.99)")
    parser.add_argument("--epochs", type=int, default=15, help="the example's limit (default: 15)")
    arguments = parser.parse_args()
    adopt_orphans()
    example = Example(arguments.example_seeds, arguments.seeds + 1, arguments)
    _print(example.runs, trained(arguments.tasks, arguments.seeds, example))
    print_machine()


class Example:
    """Keras' example, spread over the rounds of the tasks, so that it meets the same machine.

    Attributes:
        runs: what it took with each seed.
    """

    def __init__(self, seeds: int, rounds: int, arguments: argparse.Namespace) -> None:
        self.runs: list[dict[str, Any]] = []
        self._at = {round(n * rounds / seeds) for n in range(seeds)}
        self._arguments = arguments
        self._round = -1

    def __call__(self) -> None:
        """Run it, if it is its turn in this round."""
        self._round += 1
        if self._round in self._at:
            seed, given = len(self.runs), self._arguments
            self.runs.append(run_example(seed, given.target, given.epochs))


def trained(tasks: Sequence[str], seeds: int, example: Example) -> dict[str, list[dict[str, Any]]]:
    """Return what :func:`clocked` says of each seed, by task; the example runs between them."""
    with ExitStack() as stack:
        places = {task: stack.enter_context(place()) for task in tasks}
        counts = dict.fromkeys(tasks, -1)

        def next_run(task: str, somewhere: Place) -> dict[str, Any]:
            counts[task] += 1
            return clocked(somewhere, task, max(0, counts[task] - 1))

        variants = {
            task: lambda task=task, at=at: next_run(task, at) for task, at in places.items()
        }
        results = interleave({**variants, "example": example}, seeds + 1)
        return {task: results[task][1:] for task in tasks}


def _print(example: Sequence[dict[str, Any]], tasks: dict[str, list[dict[str, Any]]]) -> None:
    baseline = {key: statistics.median(one[key] for one in example) for key in ("wall", "cpu")}
    named = {f"Keras' example, {len(example)} seeds": list(example)} | {
        f"shackdoo {task}, {len(runs)} seeds": runs for task, runs in tasks.items()
    }
    columns = ("what", "wall s", "times less", "CPU s", "times less", "mean test %", "least test %")
    rows = [(name, *_figures(runs, baseline)) for name, runs in named.items()]
    print_table("Accuracy against training time", columns, rows)
    missed = sum(not one["reached"] for one in example)
    if missed:
        print(f"\n{missed} of {len(example)} seeds of the example did not reach the target.")


def _figures(runs: Sequence[dict[str, Any]], baseline: dict[str, float]) -> tuple[str, ...]:
    times: list[str] = []
    for key in ("wall", "cpu"):
        times.append(figure(one[key] for one in runs))
        times.append(f"{baseline[key] / statistics.median(one[key] for one in runs):.1f}")
    accuracies = [100 * one["test_accuracy"] for one in runs]
    return (*times, f"{statistics.mean(accuracies):.3f}", f"{min(accuracies):.2f}")


if __name__ == "__main__":
    main()
