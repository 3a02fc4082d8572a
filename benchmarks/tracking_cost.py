"""What tracking adds to ``shackdoo train``: with it and without it, in turns.

Warm: the compiled programs are cached and the store has its tables. Until the prompt is what the
user waits for; the rest is done by the shipper.
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
    parser.add_argument("--rounds", type=int, default=10, help="pairs of runs (default: 10)")
    parser.add_argument("--task", default="Mnist_B", help="the task (default: Mnist_B)")
    parser.add_argument("overrides", nargs="*", help="key=value for both")
    arguments = parser.parse_args()
    adopt_orphans()
    # Without what the shipper draws: else one side would draw it before the prompt.
    parts = ("page", "curves", "confusion_matrix", "worst_mistakes")
    plain = [f"report.{part}=false" for part in parts]
    request = [f"task={arguments.task}", *plain, *arguments.overrides]
    with place() as somewhere:
        somewhere.train(*request)

        def recorded() -> Measure:
            return somewhere.train(*request).prompt

        def unrecorded() -> Measure:
            command = [*SHACKDOO, "train", *request, "tracking=off"]
            measured = run(command, somewhere.environment, somewhere.folder).require(0)
            reap()
            return measured

        results = interleave(
            {"tracking off": unrecorded, "tracking on": recorded}, arguments.rounds
        )
    title = f"{arguments.task} until the prompt, {arguments.rounds} pairs"
    print_difference(title, results)
    print_machine()


if __name__ == "__main__":
    main()
