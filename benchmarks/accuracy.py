"""Test and validation accuracy of a task over several seeds, and what a training takes."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from measure import Tracked, adopt_orphans, figure, place, print_machine, print_table


def main() -> None:
    """Train once per seed and print a row per seed and the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="Mnist_B", help="the task (default: Mnist_B)")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to N-1 (default: 10)")
    parser.add_argument("overrides", nargs="*", help="key=value for every training")
    arguments = parser.parse_args()
    adopt_orphans()
    with place() as somewhere:
        runs = [
            somewhere.train(f"task={arguments.task}", f"seed={seed}", *arguments.overrides)
            for seed in range(arguments.seeds)
        ]
    title = " ".join([f"{arguments.task} over {arguments.seeds} seeds", *arguments.overrides])
    columns = (
        "seed",
        "test accuracy %",
        "validation accuracy %",
        "last epoch's wall s",
        "process CPU s",
    )
    print_table(title, columns, [_row(str(seed), one) for seed, one in enumerate(runs)])
    print_table("Summary", ("accuracy %", "mean", "standard deviation", "minimum"), _summary(runs))
    seconds = figure(one.prompt.wall for one in runs)
    print(f"\nUntil the prompt, the first run being cold: {seconds} s.")
    print_machine()


def _row(seed: str, one: Tracked) -> tuple[str, ...]:
    return (
        seed,
        f"{100 * one.metrics['test_accuracy']:.2f}",
        f"{100 * one.metrics['val_accuracy']:.2f}",
        f"{one.metrics['epoch_seconds']:.2f}",
        f"{one.prompt.cpu:.1f}",
    )


def _summary(runs: Sequence[Tracked]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for label, name in (("test", "test_accuracy"), ("validation", "val_accuracy")):
        values = [100 * one.metrics[name] for one in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        mean = statistics.mean(values)
        rows.append((label, f"{mean:.3f}", f"{deviation:.3f}", f"{min(values):.2f}"))
    return rows


if __name__ == "__main__":
    main()
