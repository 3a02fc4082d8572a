"""``shackdoo train task=NAME [key=value …]``: compose, check, and run the flows under a record."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shackdoo.commands.joined import joined_run
from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.same_as_option import refuse_for_hydra, split_same_as
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.config.quoting import quoted
from shackdoo.errors import RequestError
from shackdoo.training.devices import make_devices

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.commands.recording import Recording
    from shackdoo.commands.stopped import Stopped
    from shackdoo.task import Result

HELP = """usage: shackdoo train task=NAME [key=value …]

Trains a task and records the run.

  task=NAME              a file under conf/task (also --task NAME): {tasks}
  optimizer=NAME         {optimizers}
  optimizer/schedule=NAME  {schedules}
  callbacks=[NAME,…]     {callbacks}
  strategy=NAME          {strategies}
  debug=quick            a few batches, no record
  tracking=off           no record
  register=NAME@ALIAS    puts the model into the model registry: register=digits@champion
  resume=auto            go on with the newest unfinished run of this configuration, if any
  init_from=RUN          start from another run's weights
  --same-as RUN          start from the whole configuration of a run: its id, latest, or the path of
                         its config.yaml; overrides change it
  flows=[fetch_data]     end after a flow: fetch_data, preprocessing_train, run
  task.parameters.epochs=3 optimizer.learning_rate=0.01 …    any value of the configuration

  --cfg job              print the composed configuration and stop
  -m, --multirun         one run for each combination: seed=1,2,3 optimizer=adam,sgd
  --info, --hydra-help, --shell-completion    Hydra's own

Your own settings: conf/local/default.yaml and .env. Result on stdout, the rest on stderr."""

# What only Hydra itself serves.
INTERRUPTED = 128  # exit codes from here on are signals
GRAMMAR = frozenset("'\"\\,=()[]{}$")  # characters that mean something in a value
NO_GRAMMAR = frozenset(";&<>!#~^`")  # characters that Hydra reads in quotes only
OPENING = ("'", '"', "[", "{")
NOT_GIVEN = ("optimizer=", "task=", "run=", "output=")
HYDRA_FLAGS = {"-m", "--multirun", "-i", "--info", "--hydra-help", "-sc", "--shell-completion"}


def main(argv: Sequence[str]) -> int:
    """Train as the arguments say; return the exit code."""
    argv, same_as = split_same_as(argv)
    arguments = expand(argv)
    project = find_project()
    load_dotenv(project)
    if {"-h", "--help"} & set(arguments):
        print(_help(project))
        return 0
    clear_left(project.state_dir())
    with joined_run(project):
        if _for_hydra(arguments):
            refuse_for_hydra(same_as)
            return _through_hydra(arguments, project)
        return _train(arguments, project, same_as)


def expand(argv: Sequence[str]) -> list[str]:
    """Return plain Hydra arguments.

    ``overrides='a=1 b=2'`` (how ``mlflow run`` hands several over) is split as a shell would,
    ``--task NAME`` becomes ``task=NAME``, and what is empty since it is an entry point's default
    goes: ``optimizer=``, ``overrides=`` and the like.
    """
    arguments: list[str] = []
    rest = iter(argv)
    for argument in rest:
        if argument.startswith("overrides="):
            arguments += _split(argument.removeprefix("overrides="))
        elif argument == "--task":
            arguments.append(f"task={next(rest, '')}")
        elif argument.startswith("--task="):
            arguments.append(argument.removeprefix("--"))
        elif argument not in ("", *NOT_GIVEN):
            arguments.append(argument)
    return [_with_quotes(argument) for argument in arguments]


def _with_quotes(argument: str) -> str:
    """Quote a value that can be nothing but a text and that Hydra reads in quotes only."""
    key, separator, value = argument.partition("=")
    foreign = not value.isascii() and not set(value) & GRAMMAR
    text = bool(set(value) & NO_GRAMMAR) and not value.startswith(OPENING)
    return f"{key}={quoted(value)}" if separator and (foreign or text) else argument


def _split(overrides: str) -> list[str]:
    try:
        return shlex.split(overrides)
    except ValueError as error:
        raise RequestError(
            f"The overrides {overrides!r} can't be split into words: {error}. Write them as in "
            f"a shell: overrides=\"task.parameters.epochs=2 tags.note='two words'\"."
        ) from None


def _for_hydra(arguments: Sequence[str]) -> bool:
    flags = {argument.split("=")[0] for argument in arguments}
    return bool(flags & HYDRA_FLAGS) or _cfg_of(arguments) in ("hydra", "all")


def _cfg_of(arguments: Sequence[str]) -> str | None:
    """Return what ``--cfg`` asks for, or None if it is not there."""
    for position, argument in enumerate(arguments):
        if argument in ("--cfg", "-c"):
            return next(iter(arguments[position + 1 :]), "")
        if argument.startswith("--cfg="):
            return argument.removeprefix("--cfg=")
    return None


def _train(arguments: Sequence[str], project: Project, same_as: str | None) -> int:
    from shackdoo.config.compose import compose

    base = None
    if same_as is not None:
        from shackdoo.commands.same_as import importable_base

        base = importable_base(same_as, project)
    if _cfg_of(arguments) == "job":
        composed = compose("train", _without_cfg(arguments), project, base=base)
        print(composed.to_yaml(), end="")
        return 0
    unknown = [argument for argument in arguments if argument.startswith("-")]
    if unknown:
        raise RequestError(
            f"No option '{unknown[0]}' of `shackdoo train`. Values are set as key=value; "
            f"`shackdoo train --help` lists the options."
        )
    from shackdoo.commands.checking import check

    return execute(check(compose("train", arguments, project, base=base), project))


def _without_cfg(arguments: Sequence[str]) -> list[str]:
    kept = [argument for argument in arguments if not argument.startswith("--cfg=")]
    if (flag := next((f for f in ("--cfg", "-c") if f in kept), None)) is not None:
        position = kept.index(flag)
        del kept[position : position + 2]
    return kept


def _through_hydra(arguments: Sequence[str], project: Project) -> int:
    """Let Hydra serve its own flags; each job of a multirun is a run of its own."""
    from shackdoo.commands.checking import check
    from shackdoo.commands.multirun import Multirun
    from shackdoo.config.compose import Composed, run_hydra

    _forget_subcommand()
    with Multirun(arguments) as whole:

        def job(composed: Composed) -> int:
            code = whole.run(check(composed, project), execute)
            if code >= INTERRUPTED:
                sys.exit(code)  # who stops one run of several means them all
            return code

        run_hydra("train", arguments, job, project)
    return whole.code


def _forget_subcommand() -> None:
    """Show Hydra's completion a line without ``train``, which it would take for an override."""
    line = os.environ.get("COMP_LINE", "")
    shortened = re.sub(r"^(\s*\S+\s+)train\s+", r"\1", line)
    if shortened != line:
        point = int(os.environ.get("COMP_POINT", len(line)))
        os.environ["COMP_LINE"] = shortened
        os.environ["COMP_POINT"] = str(point - len(line) + len(shortened))


def execute(checked: Checked, stopped: Stopped | None = None) -> int:
    """Run the flows of a checked request under a record; return the exit code.

    Args:
        checked: the request.
        stopped: the run that goes on; None for a new one, or for whichever ``resume=auto`` finds.
    """
    from shackdoo.commands.recording import Recording
    from shackdoo.commands.resuming import close_opened, stopped_before

    stopped = stopped or stopped_before(checked)
    with Recording(checked, stopped) as recording:
        run_flows(checked, recording)
    if stopped is not None:
        close_opened(checked.project, stopped, recording.exit_code)
    return recording.exit_code


def run_flows(checked: Checked, recording: Recording) -> Result | None:
    """Run the flows of the configuration; return the result, None if the last is left out."""
    task, config = checked.task, checked.composed.config
    checked.catalog.prefetch(config.task.data)  # read while TensorFlow is imported
    if len(config.flows) > 1:
        from shackdoo.training.runtime import start_tensorflow

        cache, determinism = checked.project.state_dir() / "xla", recording.determinism()
        recording.started(start_tensorflow(determinism, config.gpu, config.seed, cache))
        recording.devices(make_devices(config.strategy))
    raw = task.fetch_data()
    recording.lap("fetch_data")
    if "preprocessing_train" not in config.flows:
        return None
    dataset = task.preprocessing_train(raw)
    recording.data(dataset)
    if "run" not in config.flows:
        return None
    result = task.run(dataset, recording, recording.training())
    recording.result(result, dataset)
    return result


def _help(project: Project) -> str:
    def options(group: str) -> str:
        files = (path for folder in project.conf_dirs for path in (folder / group).glob("*.yaml"))
        return ", ".join(sorted({path.stem for path in files}))

    return HELP.format(
        tasks=options("task"),
        optimizers=options("optimizer"),
        schedules=options("optimizer/schedule"),
        callbacks=options("callbacks"),
        strategies=options("strategy"),
    )
