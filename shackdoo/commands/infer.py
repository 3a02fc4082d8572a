"""``shackdoo infer [task=NAME] [run=RUN] input=PATH [output=PATH]``: answers about new inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.train import expand
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.config.quoting import quoted
from shackdoo.errors import DataError, RequestError
from shackdoo.provenance.image import is_lost

if TYPE_CHECKING:
    from shackdoo.catalog.inputs.batch import Inputs
    from shackdoo.catalog.outputs import Output
    from shackdoo.commands.checking import Checked
    from shackdoo.commands.trained_run import TrainedRun
    from shackdoo.config.schema import InferConfig

HELP = """usage: shackdoo infer [task=NAME] [run=RUN] input=PATH [output=PATH] [key=value …]

Lets a trained model answer about new inputs, and records that as a run of its own.

  run=RUN       latest (the default), best, a run's id or the beginning of it,
                models:/NAME@ALIAS, models:/NAME/VERSION
  task=NAME     whose latest or best run; a run that is named brings its task along
  input=PATH    a picture (PNG, JPEG, …), a folder of pictures, 'scans/*.png', .npy, .npz, idx(.gz),
                .csv with a row of numbers an input, .jsonl, a name in the catalog,
                - for JSON lines on standard input: [[0, 1, …], …] or {"input": …, "label": …}
  output=PATH   .csv, .parquet, .jsonl or .npz; - for standard output (JSON lines if the input is -,
                else CSV). Default: - if the input is -, else predictions.csv in the run's folder
                under data/report
  label=NAME    column or array with what is true; looked for if it isn't named
  split=train   of a data set of the catalog: test or train
  task.parameters.image_polarity=dark_on_light …   any value of the configuration (conf/infer.yaml)

Output: a row an input, in order: input, label, probability, and a column a class. What can't be
understood is listed in NAME.rejects.csv beside the output. If it is known what is true (a column
'label', folders named after the classes, a data set's own labels), accuracy, confusion matrix and
worst mistakes are recorded too.
Exit code: 0 fine, 1 some inputs were refused, 2 the request is wrong and nothing was started."""

VERBATIM = ("run", "input", "output", "label")  # free text, not Hydra's grammar


@dataclass(frozen=True)
class Inference:
    """A request that has passed every check; nothing heavy has been loaded.

    Attributes:
        checked: configuration and task, with the parameters that the run was trained with.
        trained: whose model it is.
        inputs: what is to be answered about.
        output: where the answers go.
    """

    checked: Checked
    trained: TrainedRun
    inputs: Inputs
    output: Output

    @property
    def config(self) -> InferConfig:
        """The configuration."""
        return cast("InferConfig", self.checked.composed.config)


def main(argv: Sequence[str]) -> int:
    """Answer as the arguments say; return the exit code."""
    arguments = expand(argv)
    project = find_project()
    load_dotenv(project)
    if {"-h", "--help"} & set(arguments):
        print(HELP)
        return 0
    from shackdoo.commands.joined import joined_run

    clear_left(project.state_dir())
    with joined_run(project):
        inference = plan(arguments, project)
    from shackdoo.commands.infer_recording import InferRecording

    with InferRecording(inference) as recording:
        from shackdoo.commands.answering import answer_all

        answer_all(inference, recording)
    return recording.exit_code or (1 if recording.refused else 0)


def plan(arguments: Sequence[str], project: Project) -> Inference:
    """Return the request, checked whole.

    Raises:
        ShackdooError: the first thing that is wrong.
    """
    _check_options(arguments)
    overrides = [_verbatim(argument) for argument in arguments]
    if not any(argument.startswith("input=") for argument in overrides):
        raise RequestError(
            "No input is named. Name one: input=PATH; `shackdoo infer --help` tells what it can be."
        )
    from shackdoo.catalog.inputs.open import STDIN
    from shackdoo.catalog.outputs import DEFAULT, STDOUT, plan_output
    from shackdoo.commands.checking import check
    from shackdoo.commands.run_lookup import LATEST
    from shackdoo.commands.trained_run import TrainedRuns
    from shackdoo.config.compose import compose
    from shackdoo.config.schema import InferConfig

    runs = TrainedRuns(project, _typed(arguments, "tracking.uri"))
    if not _typed(arguments, "task"):
        overrides.append(f"task={runs.task_of(_typed(arguments, 'run') or LATEST)}")
    composed = compose("infer", overrides, project, InferConfig)
    config = cast("InferConfig", composed.config)
    piped = config.input == STDIN
    output = plan_output(config.output or (STDOUT if piped else DEFAULT), lines=piped)
    if output.path is not None and is_lost(output.path):
        raise RequestError(
            f"output={config.output} lies inside the container, which goes when the run ends. Name "
            f"a path in the project, or mount its folder: mlflow run … -A volume=FOLDER:FOLDER."
        )
    trained = runs.find(config.run, config.task.name, config.best)
    checked = check(composed.with_parameters(trained.parameters), project, data=False)
    named = config.input in config.catalog
    given = checked.catalog.path(config.input) if named else Path(config.input).expanduser()
    output.check(given)
    inputs = _open(checked, config, trained, output)
    return Inference(checked, trained, inputs, output)


def _check_options(arguments: Sequence[str]) -> None:
    for argument in arguments:
        if argument.startswith("-") or "=" not in argument:
            hint = f" An input is named so: input={argument}." if Path(argument).exists() else ""
            raise RequestError(
                f"'{argument}' is nothing that shackdoo infer knows.{hint} Values are set as "
                f"key=value; `shackdoo infer --help` lists them."
            )


def _verbatim(argument: str) -> str:
    """Quote what is free text: a file may be called anything."""
    key, _, value = argument.partition("=")
    in_quotes = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if key not in VERBATIM or value in ("", "null") or in_quotes:
        return argument
    plain = value.replace("${", "\\${")  # no look-up of another value
    return f"{key}={quoted(plain)}"


def _typed(arguments: Sequence[str], key: str) -> str | None:
    """Return the value that the command line gives a key, without quotes."""
    values = [text.partition("=")[2] for text in arguments if text.partition("=")[0] == key]
    return None if not values or values[-1] == "null" else values[-1].strip("'\"") or None


def _open(checked: Checked, config: InferConfig, trained: TrainedRun, output: Output) -> Inputs:
    from shackdoo.catalog.inputs.open import Wanted, open_inputs
    from shackdoo.commands.catalog_inputs import from_catalog

    files = (file.absolute() for file in (output.path, output.rejects) if file is not None)
    wanted = Wanted(config.input, config.label, trained.model.shape, frozenset(files))
    try:
        return open_inputs(
            wanted, config.catalog, lambda name: from_catalog(checked, name, config.split)
        )
    except DataError as error:  # its head is damaged already: nothing has been started
        raise RequestError(str(error)) from None
