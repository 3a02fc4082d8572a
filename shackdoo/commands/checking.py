"""A request is checked whole before anything heavy is loaded or anything is started."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from shackdoo.catalog import Catalog
from shackdoo.config.targets import check_targets
from shackdoo.errors import ConfigError, RequestError, TaskError, did_you_mean
from shackdoo.provenance.secrets import Redactor
from shackdoo.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from shackdoo.config.compose import Composed
    from shackdoo.config.project import Project


@dataclass(frozen=True)
class FirstWeights:
    """Weights that a training starts with.

    Attributes:
        uid: of the run that has trained them.
        mlflow_id: of it in its store, or None.
        weights_sha256: their fingerprint, or None.
        file: the ``.keras`` file.
    """

    uid: str
    mlflow_id: str | None
    weights_sha256: str | None
    file: Path


@dataclass(frozen=True)
class Checked:
    """A request that has passed every check; nothing heavy has been loaded.

    Attributes:
        composed: the configuration.
        task: the task, made.
        catalog: its data.
        project: where it runs.
        parent_uid: the run that this one is to be a part of, or None.
        first_weights: of another run, which the training starts with, or None.
    """

    composed: Composed
    task: Task
    catalog: Catalog
    project: Project
    parent_uid: str | None = None
    first_weights: FirstWeights | None = None

    def redactor(self) -> Redactor:
        """Return what hides the secrets of this run wherever it is recorded."""
        return Redactor.of(self.composed.values, self.composed.interpolated, os.environ)

    def lineage(self) -> str:
        """Return the names of the task's class and its parents, nearest first."""
        return " < ".join(parent.__name__ for parent in type(self.task).lineage())


def check(composed: Composed, project: Project, data: bool = True) -> Checked:
    """Return the request with its task, everything checked that can be without TensorFlow.

    Args:
        composed: the configuration.
        project: where it runs.
        data: whether the data that the task is trained on must be there.

    Raises:
        RequestError: the first thing that is wrong, with its place.
    """
    config = composed.config
    if str(project.root) not in sys.path:
        sys.path.append(str(project.root))  # a project's own modules, wherever it is called from
    # A task's module may import Keras; TensorFlow reads this once, when it is loaded.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    task_class = load_task(config.task.target, composed)
    check_targets(composed)
    catalog = Catalog(config.catalog, project)
    try:
        task = task_class(config, catalog)
    except ValidationError as error:
        raise composed.explain(
            error, prefix=("task", "parameters"), known=task_class.Parameters.model_fields
        ) from None
    if not data:
        return Checked(composed, task, catalog, project)
    known = config.task.data in config.catalog  # if not, the mistake is in the task
    with _placed(composed, None if known else "task.data"):
        catalog.check([config.task.data])
    with _placed(composed):
        task.check()
    _check_register(composed)
    if config.init_from is None:
        return Checked(composed, task, catalog, project)
    first = _first_weights(composed, project)
    return Checked(composed.started_from(first.uid), task, catalog, project, None, first)


def _first_weights(composed: Composed, project: Project) -> FirstWeights:
    """Return the weights of the run that ``init_from`` names.

    Raises:
        ConfigError: if there is no such run, or it has no model.
    """
    from shackdoo.commands.run_lookup import WEIGHTS
    from shackdoo.commands.trained_run import TrainedRuns

    config = composed.config
    runs = TrainedRuns(project, None)
    try:
        run = runs.any_task(str(config.init_from), config.task.name, config.best)
    except RequestError as error:
        raise ConfigError(f"{composed.place(('init_from',))}: {error}") from None
    return FirstWeights(run.uid, run.mlflow_run_id, run.tags.get(WEIGHTS), runs.model(run).path)


@contextlib.contextmanager
def _placed(composed: Composed, key: str | None = None) -> Iterator[None]:
    """Tell the file and line, or the override, that set the value an error is about."""
    try:
        yield
    except RequestError as error:
        about = key or (error.key if isinstance(error, TaskError) else None)
        if about is None:
            raise
        raise type(error)(f"{composed.place(tuple(about.split('.')))}: {error}") from None


def _check_register(composed: Composed) -> None:
    """See that there will be a model to be registered, and a store to do it.

    Raises:
        ConfigError: if not.
    """
    config = composed.config
    if config.register_as is None:
        return
    why = None if config.tracking.enabled else "nothing is recorded (tracking.enabled is false)"
    if "run" not in config.flows:
        why = "no model is trained (flows ends before run)"
    if why:
        raise ConfigError(
            f"{composed.place(('register',))}: register is '{config.register_as}', but {why}. "
            f"Leave register away, or set the other one."
        )


def load_task(dotted: str, composed: Composed) -> type[Task]:
    """Return the task's class.

    Raises:
        TaskError: if it can't be imported or is no subclass of Task.
    """
    at = ("task", "_target_")
    module, _, name = dotted.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # a user's module may fail in any way while it is imported
        raise TaskError(
            f"{composed.place(at)}: the task's class '{dotted}' can't be imported: "
            f"{type(error).__name__}: {error}. Give task._target_ as package.module.Class of an "
            f"installed package, or of a file in the project's root, {composed.project.root}."
        ) from error
    if found is None:
        known = [n for n, v in vars(sys.modules[module]).items() if _is_task(v)]
        raise TaskError(
            f"{composed.place(at)}: no class '{name}' in the module '{module}'."
            f"{did_you_mean(name, known)} Its tasks: {', '.join(sorted(known)) or 'none'}."
        )
    if not _is_task(found):
        raise TaskError(
            f"{composed.place(at)}: '{dotted}' is not admitted as a task: it is no subclass of "
            f"{Task.__module__}.Task."
        )
    task_class: type[Task] = found
    return task_class


def _is_task(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Task)
