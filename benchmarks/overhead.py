"""What the loop and its record add to the training itself, against the same training written bare.

The same network, order of examples, augmentation and optimizer in one process, everything compiled
before the clock starts, in turns: the bare program of ``bare_recipe.py``, which takes an epoch in
one call and counts neither loss nor accuracy; the loop without a record; the loop of an ordinary
run, with its journal, checkpoints and shipper; and the same with ``tracking.every_steps=1``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import bare_recipe
from measure import figure, interleave, place, print_machine, print_table

from shackdoo.commands.checking import check
from shackdoo.commands.recording import Recording
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.training.dataset import Dataset, Split
from shackdoo.training.runtime import start_tensorflow

PLAIN = ["callbacks=none", "report.page=false", "report.curves=false"]  # what comes afterwards
BARE, OFF, ON, STEPS = "bare", "loop, no record", "loop, recorded", "recorded, every step"
OURS = {
    OFF: ["tracking=off"],
    ON: [],
    STEPS: ["tracking.every_steps=1"],
}
PAIRS = ((OFF, BARE), (ON, BARE), (STEPS, BARE), (STEPS, ON))


@dataclass(frozen=True)
class Took:
    """Seconds of one training."""

    wall: float
    cpu: float


def main() -> None:
    """Train in turns and print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="trainings of each (default: 10)")
    parser.add_argument("--task", default="Mnist_B", help="a task of MNIST (default: Mnist_B)")
    parser.add_argument("overrides", nargs="*", help="key=value for all")
    arguments = parser.parse_args()
    request = [f"task={arguments.task}", *PLAIN, *arguments.overrides]
    with place() as somewhere, ExitStack() as open_runs:
        os.environ.update(somewhere.environment)
        trainings = _prepared(request, open_runs)
        for train in trainings.values():
            train()
        results = interleave(trainings, arguments.rounds)
    _print(f"{arguments.task}, {arguments.rounds} rounds", results)
    print_machine()


def _prepared(request: Sequence[str], open_runs: ExitStack) -> dict[str, Callable[[], Took]]:
    """Return a function a way of training; each call is a whole training from the same start."""
    project = find_project()
    checked = check(compose("train", request, project), project)
    config, task = checked.composed.config, checked.task
    start_tensorflow(config.determinism, config.gpu, config.seed, project.state_dir() / "xla")
    dataset = task.preprocessing_train(task.fetch_data())
    values = checked.composed.values
    return {BARE: _bare(values, dataset.train)} | {
        name: _ours([*request, *more], dataset, open_runs) for name, more in OURS.items()
    }


def _bare(values: dict[str, Any], train: Split) -> Callable[[], Took]:
    import keras
    import tensorflow as tf

    parameters, seed = values["task"]["parameters"], values["seed"]
    full = len(train) // parameters["batch_size"]
    steps = min(full, parameters["max_steps_per_epoch"] or full)
    model = bare_recipe.build(keras, parameters)
    rule = bare_recipe.optimizer(keras, values["optimizer"], steps * parameters["epochs"])
    rule.build(model.trainable_variables)
    arrays = (train.inputs, train.targets.astype("int32"))
    epoch = bare_recipe.epoch_program(tf, model, rule, arrays, parameters)
    begin = _start_of([*model.variables, *rule.variables])

    def trained() -> Took:
        begin()
        with _clock() as took:
            for number in range(parameters["epochs"]):
                order = bare_recipe.visits_and_seeds(len(train), steps, seed, number)
                epoch(*map(tf.constant, order))
        return took()

    return trained


def _ours(request: Sequence[str], dataset: Dataset, open_runs: ExitStack) -> Callable[[], Took]:
    project = find_project()
    checked = check(compose("train", request, project), project)
    recording = open_runs.enter_context(Recording(checked))
    task, training = checked.task, recording.training()
    options = task.loop_options()
    model = task.compile_model(task.build_model(), options.total_steps(len(dataset.train)))
    model.optimizer.build(model.trainable_variables)
    loop = task.loop(model, options, recording)
    training.prepare(loop)
    begin = _start_of([*model.variables, *model.optimizer.variables])

    def trained() -> Took:
        begin()
        training.checkpoints.discard()  # or the next one would go on where this one ends
        with _clock() as took:
            loop.fit(dataset.train, None, task.class_weight(dataset))
        return took()

    return trained


def _start_of(variables: Sequence[Any]) -> Callable[[], None]:
    """Return what sets the variables back to the values that they have now."""
    values = [variable.numpy().copy() for variable in variables]

    def begin() -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    return begin


@contextmanager
def _clock() -> Iterator[Callable[[], Took]]:
    """Give a function that returns, after the context, what happened in it took."""
    ended: list[Took] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield lambda: ended[0]
    ended.append(Took(time.perf_counter() - wall, time.process_time() - cpu))


def _print(title: str, results: dict[str, list[Took]]) -> None:
    rows = [
        (name, figure(one.wall for one in some), figure((one.cpu for one in some), 2))
        for name, some in results.items()
    ]
    print_table(title, ("training", "wall s", "CPU s"), rows)
    ratios = []
    for one, other in PAIRS:
        pairs = list(zip(results[one], results[other], strict=True))
        wall = figure((a.wall / b.wall for a, b in pairs), 3)
        cpu = figure((a.cpu / b.cpu for a, b in pairs), 3)
        ratios.append((f"{one} : {other}", wall, cpu))
    print_table("Ratios, pair by pair", ("pair", "wall", "CPU"), ratios)


if __name__ == "__main__":
    main()
