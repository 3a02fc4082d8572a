"""Trains the first steps of a task, a few times over, and prints their bits as JSON.

A process of its own: threads and compiler are set once in the life of a process.
``python -m shackdoo.commands.checkup.bit_training STEPS TRAININGS task=NAME [key=value …]``
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shackdoo.commands.checking import Checked, check
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.errors import RunError, ShackdooError
from shackdoo.provenance.fingerprint import array_digest
from shackdoo.task import Training
from shackdoo.training.bits import Trace
from shackdoo.training.checkpoints import Checkpoints
from shackdoo.training.devices import make_devices
from shackdoo.training.runtime import start_tensorflow

if TYPE_CHECKING:
    from shackdoo.training.dataset import Split


def main(argv: Sequence[str]) -> int:
    """Train and print a list of traces; on stderr why not, if it fails."""
    steps, trainings, *overrides = argv
    project = find_project()
    try:
        checked = check(compose("train", overrides, project), project)
        with tempfile.TemporaryDirectory() as cache:  # what others have compiled is no help
            traces = [trained(checked, int(steps), Path(cache)) for _ in range(int(trainings))]
    except ShackdooError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps([asdict(trace) for trace in traces]))
    return 0


def trained(checked: Checked, steps: int, cache: Path) -> Trace:
    """Return the bits of the first steps of the task's training, begun anew from its seed.

    The schedule of the learning rate is that of the whole training.

    Args:
        checked: the request.
        steps: how many.
        cache: folder of XLA's compiled programs.

    Raises:
        RunError: if the task trains without the loop's callbacks.
    """
    config, task = checked.composed.config, checked.task
    threads = start_tensorflow(config.determinism, config.gpu, config.seed, cache)
    make_devices(config.strategy)
    dataset = task.preprocessing_train(task.fetch_data())
    return replace(_first_steps(checked, dataset.train, steps), threads=threads)


def _first_steps(checked: Checked, train: Split, steps: int) -> Trace:
    from shackdoo.training.bit_trace import BitTrace
    from shackdoo.training.dataset import Dataset

    task, trace, first = checked.task, BitTrace(array_digest), checked.first_weights
    observer = _Silent()
    nowhere = Checkpoints(None, math.inf, 1, observer.notice)
    begun = Training(nowhere, None if first is None else first.file)
    loop = task.prepared_loop(len(train), observer, begun)
    few = min(steps, loop.options.steps_per_epoch(len(train)))
    loop.options = replace(loop.options, epochs=1, max_steps_per_epoch=few)
    loop.callbacks.append(trace)
    task.train(loop, Dataset(train, None, None))
    if len(trace.steps) < 2:
        raise RunError(
            f"{type(task).__name__}.train() calls no callbacks of the loop after a step, so its "
            f"bits can't be followed. Train by loop.fit, or hand loop.callbacks to model.fit."
        )
    return Trace(trace.steps, loop.xla, threads=0)


class _Silent:
    """An observer that shows nothing."""

    def epoch_started(self, epoch: int, steps: int) -> None: ...

    def advanced(self, step: int, logs: dict[str, float]) -> None: ...

    def reported(self, reports: Sequence[tuple[int, dict[str, float]]]) -> None: ...

    def epoch_ended(self, epoch: int, logs: dict[str, float]) -> None: ...

    def notice(self, text: str) -> None: ...


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
