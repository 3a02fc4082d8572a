"""``shackdoo train`` against the bare script of the same recipe, cold and warm, in turns.

Cold: no compiled program is cached, no store exists. Warm: the second run in the same place.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import (
    HERE,
    Measure,
    Place,
    Tracked,
    adopt_orphans,
    figure,
    interleave,
    place,
    print_machine,
    print_table,
    run,
    settings,
)

Pair = tuple[Measure | Tracked, Measure | Tracked]


def main() -> None:
    """Run both, cold then warm, a few rounds, and print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--task", default="Mnist_B", help="the task (default: Mnist_B)")
    parser.add_argument("overrides", nargs="*", help="key=value for both")
    arguments = parser.parse_args()
    adopt_orphans()
    request = [f"task={arguments.task}", *arguments.overrides]
    values = settings(arguments.task, arguments.overrides)

    def shackdoo() -> tuple[Tracked, Tracked]:
        with place() as somewhere:
            return somewhere.train(*request), somewhere.train(*request)

    def bare() -> tuple[Measure, Measure]:
        with place() as somewhere:
            return _bare(somewhere, values), _bare(somewhere, values)

    results = interleave({"bare script": bare, "shackdoo": shackdoo}, arguments.rounds)
    for warm, name in ((0, "cold"), (1, "warm")):
        ours = [pair[warm] for pair in results["shackdoo"]]
        theirs = [pair[warm] for pair in results["bare script"]]
        _print(f"{arguments.task}, {name}, {arguments.rounds} pairs", ours, theirs)
    ours = [pair[1] for pair in results["shackdoo"]]
    _print_first_time(ours, [pair[0] for pair in results["bare script"]])
    _print_parts([pair[1] for pair in results["bare script"]])
    print_machine()


def _bare(somewhere: Place, values: object) -> Measure:
    file = somewhere.folder / "settings.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    script: list[str | Path] = [sys.executable, HERE / "bare_recipe.py"]
    return run([*script, "--settings", file, "--cache", somewhere.folder / "xla"]).require(0)


def _print(title: str, ours: Sequence[Tracked], theirs: Sequence[Measure]) -> None:
    pairs = list(zip(ours, theirs, strict=True))
    rows = [
        (
            "bare script, until it ends",
            figure(one.wall for one in theirs),
            figure(one.cpu for one in theirs),
            figure(100 * one.result()["test_accuracy"] for one in theirs),
        ),
        (
            "shackdoo, until the prompt",
            figure(one.prompt.wall for one in ours),
            figure(one.prompt.cpu for one in ours),
            figure(100 * one.metrics["test_accuracy"] for one in ours),
        ),
        (
            "shackdoo, until FINISHED is in the store",
            figure(one.finished_wall for one in ours),
            figure(one.finished_cpu for one in ours),
            "",
        ),
        (
            "ratio until the prompt, pair by pair",
            figure(one.prompt.wall / other.wall for one, other in pairs),
            figure(one.prompt.cpu / other.cpu for one, other in pairs),
            "",
        ),
    ]
    print_table(title, ("what", "wall s", "CPU s", "test accuracy %"), rows)


def _print_first_time(ours: Sequence[Tracked], theirs: Sequence[Measure]) -> None:
    """Print what a user of shackdoo waits against who writes the script and runs it once."""
    pairs = list(zip(ours, theirs, strict=True))
    ratios = (
        figure(one.prompt.wall / other.wall for one, other in pairs),
        figure(one.prompt.cpu / other.cpu for one, other in pairs),
    )
    title = "shackdoo warm, until the prompt, against the bare script cold, pair by pair"
    print_table(title, ("ratio of wall", "ratio of CPU"), [ratios])


def _print_parts(runs: Sequence[Measure]) -> None:
    results = [one.result() for one in runs]
    rows = [
        (part, *(figure(result[clock][part] for result in results) for clock in ("wall", "cpu")))
        for part in results[0]["wall"]
    ]
    print_table("Where the bare script's time goes, warm", ("part", "wall s", "CPU s"), rows)


if __name__ == "__main__":
    main()
