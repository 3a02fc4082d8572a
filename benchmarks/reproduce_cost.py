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
    figure,
    interleave,
    place,
    print_machine,
    print_table,
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
    pairs = list(zip(*results.values(), strict=True))
    rows = [
        (name, figure(m.wall for m in some), figure(m.cpu for m in some))
        for name, some in results.items()
    ]
    difference = (
        "difference, pair by pair",
        figure(b.wall - a.wall for a, b in pairs),
        figure(b.cpu - a.cpu for a, b in pairs),
    )
    title = f"{arguments.task}, identical each time, {arguments.rounds} pairs"
    print_table(title, ("what", "wall s", "CPU s"), [*rows, difference])
    print_machine()


if __name__ == "__main__":
    main()
