"""How long ``--help`` and the message about a mistake take."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measure import SHACKDOO, figure, interleave, place, print_machine, print_table, run

MLFLOW = Path(sys.executable).with_name("mlflow")

# what is run: its command and the exit status it must end with
CASES: dict[str, tuple[list[str], int]] = {
    "`python -c pass`": ([sys.executable, "-c", "pass"], 0),
    "`shackdoo --help`": ([*SHACKDOO, "--help"], 0),
    "a task that does not exist": ([*SHACKDOO, "train", "task=Mnist_Bee"], 2),
    "a misspelt parameter": ([*SHACKDOO, "train", "task=Mnist_B", "task.parameters.epoch=1"], 2),
    "the same with `+`": ([*SHACKDOO, "train", "task=Mnist_B", "+task.parameters.epoch=1"], 2),
    "an optimizer that does not exist": ([*SHACKDOO, "train", "task=Mnist_B", "optimizer=sdg"], 2),
    "`mlflow --help`": ([str(MLFLOW), "--help"], 0),
}


def main() -> None:
    """Time each case in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="runs of each (default: 9)")
    rounds: int = parser.parse_args().rounds
    with place() as somewhere:
        variants = {
            name: lambda case=case: run(case[0], somewhere.environment).require(case[1])
            for name, case in CASES.items()
        }
        results = interleave(variants, rounds)
    rows = [
        (name, figure(one.wall for one in runs), figure(one.cpu for one in runs))
        for name, runs in results.items()
    ]
    print_table(f"Help and mistakes, {rounds} runs each", ("what", "wall s", "CPU s"), rows)
    print_machine()


if __name__ == "__main__":
    main()
