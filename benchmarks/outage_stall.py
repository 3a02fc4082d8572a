"""A training whose tracking server is dead, or swallows everything, against one without tracking.

Every step is recorded (``tracking.every_steps=1``). Compared are the CPU seconds of the training
process and the longest time between the ends of two steps, runs in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import (
    SHACKDOO,
    Place,
    adopt_orphans,
    figure,
    interleave,
    place,
    print_machine,
    print_table,
    reap,
    run,
)

SKIPPED = 20  # steps at the start of an epoch: the first ones compile


def main() -> None:
    """Run the three in turns and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--epochs", type=int, default=8, help="a minute or so (default: 8)")
    arguments = parser.parse_args()
    adopt_orphans()
    with place() as somewhere, black_hole() as swallowing, dead() as refusing:
        _train(somewhere, 1, "tracking=off")  # fills the cache of compiled programs
        variants = {
            "tracking off": ["tracking=off"],
            "server dead": [f"tracking.uri={refusing}"],
            "server swallows everything": [f"tracking.uri={swallowing}"],
        }
        results = interleave(
            {
                name: lambda options=options: _train(somewhere, arguments.epochs, *options)
                for name, options in variants.items()
            },
            arguments.rounds,
        )
    _print(results)
    print_machine()


@contextlib.contextmanager
def dead() -> Iterator[str]:
    """Give the address of a port that refuses connections."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # taken, and nobody listens
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Give the address of a port whose queue of connections is full and never emptied."""
    with socket.socket() as hole, contextlib.ExitStack() as callers:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(hole.getsockname())
        yield f"http://127.0.0.1:{hole.getsockname()[1]}"


def _train(somewhere: Place, epochs: int, *options: str) -> dict[str, Any]:
    file = somewhere.folder / "clock.json"
    clock = ["_target_=training_clock.StepClock", f"file={file}", f"skip={SKIPPED}"]
    request = ["task=Mnist_B", f"task.parameters.epochs={epochs}", "tracking.every_steps=1"]
    request += [*options, *(f"+callbacks.clock.{value}" for value in clock)]
    environment = {**somewhere.environment, "PYTHONPATH": somewhere.environment["PYTHONPATH"]}
    done = run([*SHACKDOO, "train", *request], environment, somewhere.folder).require(0)
    _end_shippers(somewhere)
    took: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return took | {"process_cpu": done.cpu}


def _end_shippers(somewhere: Place) -> None:
    """End what still waits for its server, so that it does not disturb the next run."""
    for lock in Path(somewhere.environment["SHACKDOO_STATE"]).glob("runs/*/shipper.lock"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(lock.read_text()), signal.SIGKILL)
    reap()


def _print(results: dict[str, list[dict[str, Any]]]) -> None:
    control = results["tracking off"]
    rows = [
        (
            name,
            figure(one["process_cpu"] for one in runs),
            figure(one["wall"] for one in runs),
            figure((1000 * one["longest_gap"] for one in runs), 0),
            figure(a["process_cpu"] / b["process_cpu"] for a, b in zip(runs, control, strict=True)),
            figure(
                (
                    1000 * (a["longest_gap"] - b["longest_gap"])
                    for a, b in zip(runs, control, strict=True)
                ),
                0,
            ),
        )
        for name, runs in results.items()
    ]
    columns = ("what", "CPU s of the process", "wall s of the training", "longest step ms")
    columns += ("CPU, times the control", "longest step, ms above the control")
    print_table(f"{control[0]['steps']} steps, {len(control)} runs each", columns, rows)


if __name__ == "__main__":
    main()
