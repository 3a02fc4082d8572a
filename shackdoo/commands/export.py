"""``shackdoo export RUN PATH``: a run's model as a SavedModel for TF Serving."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shackdoo.commands.options import two_arguments
from shackdoo.commands.run_lookup import RunLookup
from shackdoo.commands.trained_run import TrainedRuns
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError
from shackdoo.tracking.listing import ListedRun
from shackdoo.training.runtime import load_tensorflow

HELP = """usage: shackdoo export RUN PATH

Writes the model of a run as a TensorFlow SavedModel, PATH/1/saved_model.pb, as TF Serving takes it:

  docker run -p 8501:8501 -v PATH:/models/digits -e MODEL_NAME=digits tensorflow/serving

  RUN     a run's id or its beginning, or latest, the newest trained run of this project
  PATH    a folder that does not exist yet; nothing is ever written over

The SavedModel is the network alone. It takes inputs that are prepared already (for Mnist_A and
Mnist_B: uint8 pictures of 28 x 28, light on dark) and gives the network's raw outputs (logits).
To serve a model that takes raw inputs and answers with labels and probabilities, use
`mlflow models serve` with the run's logged model.

Prints the folder of the SavedModel."""
TARGET = "task._target_"  # parameter of a run


def main(argv: Sequence[str]) -> int:
    """Export a run's model; return the exit code."""
    if {"-h", "--help"} & set(argv):
        print(HELP)
        return 0
    wanted, path = two_arguments(argv, "export", "RUN and PATH")
    target = _free(Path(path))
    project = find_project()
    load_dotenv(project)
    run = RunLookup(project).find_trained(wanted, None, None)
    model = TrainedRuns(project, None).model(run)
    load_tensorflow()
    _import_task(project, run)
    from shackdoo.training.saved_model import export

    print(export(model.path, target))
    return 0


def _free(path: Path) -> Path:
    """Return the path, absolute, where nothing is yet.

    Raises:
        RequestError: if there is something.
    """
    target = path.expanduser().absolute()
    if target.is_symlink() or (target.exists() and not _is_empty_folder(target)):
        raise RequestError(
            f"{target} exists already, and nothing is written over. Name a folder that does not "
            f"exist yet, or remove that one."
        )
    there = next(folder for folder in target.parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise RequestError(
            f"{target} can't be written: {there} is no folder that you may write. Name another."
        )
    return target


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _import_task(project: Project, run: ListedRun) -> None:
    """Import the task's module: layers of its own are known to Keras by that."""
    if str(project.root) not in sys.path:
        sys.path.append(str(project.root))
    module = run.params.get(TARGET, "").rpartition(".")[0]
    with contextlib.suppress(Exception):  # what is missing, if anything, Keras tells
        importlib.import_module(module)
