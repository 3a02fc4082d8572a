"""What ``shackdoo reproduce`` takes beyond the run itself, in turns with the training.

Warm: the compiled programs are cached, and the present environment is the recorded one. Each
process is timed until the prompt; what ships its run is waited for before the next one begins.
"""

from __future__ import annotations

import argparse

from measure import (
    SHACKDOO,
    Measure,
    adopt_orphans,
    interleave,
    place,
    print_difference,
    print_machine,
    reap,
    run,
)


def main() -> None:
    """Run pairs and print times and differences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--task", default="Mnist_B", help="the task (default: Mnist_B)")
    arguments = parser.parse_args()
    adopt_orphans()
    with place() as somewhere:
        first = somewhere.train(f"task={arguments.task}").prompt.output
        uid = first.split()[-1]

        def trained() -> Measure:
            return somewhere.train(f"task={arguments.task}").prompt

        def reproduced() -> Measure:
            command = [*SHACKDOO, "reproduce", uid]
            measured = run(command, somewhere.environment, somewhere.folder).require(0)
            reap()
            return measured

        turns = {"shackdoo train": trained, "shackdoo reproduce": reproduced}
        results = interleave(turns, arguments.rounds)
    title = f"{arguments.task}, identical each time, {arguments.rounds} pairs"
    print_difference(title, results)
    print_machine()


if __name__ == "__main__":
    main()
