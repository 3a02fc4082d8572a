"""What the package offers to Python: compose a configuration, train, load a model, list runs.

The same as the commands do, with errors that are raised instead of printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shackdoo.commands.checking import Checked, check
from shackdoo.config.compose import as_override
from shackdoo.config.compose import compose as compose_config
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError, RunError, did_you_mean, listing
from shackdoo.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from shackdoo.config.compose.base import Base
    from shackdoo.config.schema import Config
    from shackdoo.predictor import Predictor

INTERRUPTED = 130


@dataclass(frozen=True)
class Experiment:
    """A composed and checked configuration, with its task.

    Its flows can be run one by one: ``raw = experiment.task.fetch_data()``, and so on.

    Attributes:
        checked: all that a run needs.
    """

    checked: Checked

    @property
    def config(self) -> Config:
        """The configuration, typed and frozen."""
        return self.checked.composed.config

    @property
    def task(self) -> Task:
        """The task."""
        return self.checked.task

    def to_yaml(self) -> str:
        """Return the whole configuration as YAML text."""
        return self.checked.composed.to_yaml()

    def __repr__(self) -> str:
        lineage = " < ".join(parent.__name__ for parent in type(self.task).lineage())
        return f"<Experiment {self.config.experiment} > {self.config.tag}: {lineage}>"


@dataclass(frozen=True)
class Run:
    """A run that has ended well.

    Attributes:
        experiment: what was trained.
        uid: names it on every machine.
        metrics: its final numbers.
        history: metric name to one value an epoch.
    """

    experiment: Experiment
    uid: str
    metrics: Mapping[str, float]
    history: Mapping[str, list[float]]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in sorted(self.metrics.items()))
        return f"<Run {self.uid[:8]}: {shown}>"


def compose(
    task: str | type[Task] | None = None,
    *overrides: str,
    same_as: Run | str | None = None,
    **values: Any,
) -> Experiment:
    """Return the configuration of an experiment, composed and checked; nothing heavy is loaded.

    Args:
        task: a file under ``conf/task``, or a class of your own, one written in a notebook too.
            A class takes the YAML of its name, else that of its nearest parent that has one.
            None with ``same_as`` only.
        overrides: as on the command line: ``"optimizer=sgd"``.
        same_as: a run (its id or the beginning of it, ``latest``, what :func:`train` returned)
            whose whole configuration is taken, and then changed as the rest says.
        values: keys of the configuration, dots as two underscores: ``seed=1``,
            ``optimizer__learning_rate=0.01``. One that is none names a parameter of the task:
            ``epochs=2`` is ``task.parameters.epochs``.

    Raises:
        RequestError: the first thing that is wrong, with its place.
    """
    if task is None and same_as is None:
        raise RequestError("Name a task, as in compose('Mnist_B'), or a run: same_as='latest'.")
    project = _project()
    keyed = [_override(name, value) for name, value in values.items()]
    base = None if same_as is None else _base(same_as, task, project)
    chosen = [] if task is None else _chosen(task, project)
    composed = compose_config("train", [*chosen, *overrides, *keyed], project, base=base)
    return Experiment(check(composed, project))


def train(
    experiment: Experiment | str | type[Task] | None = None,
    *overrides: str,
    same_as: Run | str | None = None,
    **values: Any,
) -> Run:
    """Train, under a record, as ``shackdoo train`` does.

    Args:
        experiment: what :func:`compose` returned; or what it takes, as the rest.
        overrides: see :func:`compose`.
        same_as: see :func:`compose`.
        values: see :func:`compose`.

    Returns:
        The finished run.

    Raises:
        RequestError: if the request is wrong; nothing was started.
        RunError: if the run failed; it is on record.
        KeyboardInterrupt: if it was interrupted; it is closed as KILLED.
    """
    if not isinstance(experiment, Experiment):
        experiment = compose(experiment, *overrides, same_as=same_as, **values)
    elif overrides or values or same_as is not None:
        raise RequestError(
            "An experiment that is composed already takes no overrides. Give them to compose()."
        )
    from shackdoo.commands.recording import Recording
    from shackdoo.commands.resuming import stopped_before
    from shackdoo.commands.train import run_flows

    stopped = stopped_before(experiment.checked)
    with Recording(experiment.checked, stopped) as recording:
        result = run_flows(experiment.checked, recording)
    if recording.exit_code == INTERRUPTED:
        raise KeyboardInterrupt
    uid = recording.place.uid
    if recording.exit_code:
        raise RunError(f"The run {uid[:8]} has failed: {recording.error}") from recording.error
    if result is None:
        return Run(experiment, uid, {}, {})
    return Run(experiment, uid, result.metrics, result.history)


def load(run: Run | str = "latest", task: str | type[Task] | None = None) -> Predictor:
    """Return the trained model of a run, with the preprocessing of its task.

    ``load(run).predict(inputs)`` gives a column each of labels, probabilities and classes, and
    ``load(run).model`` is the Keras model.

    Args:
        run: what :func:`train` returned; an id or its beginning, ``latest``, ``best``,
            ``models:/NAME@ALIAS``.
        task: whose ``latest`` or ``best``, by name or class; by class if it is a notebook's own.

    Raises:
        RequestError: if there is none.
        StoreError: if the store that has it doesn't give it.
    """
    from shackdoo.commands.trained_run import TrainedRuns
    from shackdoo.training.runtime import start_tensorflow

    project, wanted = _project(), run.uid if isinstance(run, Run) else run
    runs = TrainedRuns(project, None)
    if isinstance(run, Run):
        composed = run.experiment.checked.composed
    else:
        chosen = _chosen(task or runs.task_of(wanted), project)
        composed = compose_config("train", chosen, project)
    trained = runs.find(wanted, composed.config.task.name, composed.config.best)
    checked = check(composed.with_parameters(trained.parameters), project, data=False)
    config = checked.composed.config
    start_tensorflow(config.determinism, config.gpu, config.seed, project.state_dir() / "xla")
    from shackdoo.predictor import Predictor

    return Predictor.load(checked.task, trained.model.path)


def runs(task: str | None = None, experiment: str | None = None) -> pd.DataFrame:
    """Return the runs of this machine and of the store, a row each, the newest first.

    Args:
        task: of this task only.
        experiment: of this experiment only.

    Returns:
        Indexed by uid: experiment, tag, task, kind, status, start, then the metrics, then the
        parameters that differ.
    """
    import pandas as pd

    from shackdoo.commands.run_lookup import RunLookup
    from shackdoo.commands.run_tree import differing
    from shackdoo.tracking.listing import KIND

    found = [
        run
        for run in RunLookup(_project()).all
        if task in (None, run.task) and experiment in (None, run.experiment)
    ]
    short = differing(found)
    rows = [
        {
            "uid": run.uid,
            "experiment": run.experiment,
            "tag": run.tag,
            "task": run.task,
            "kind": run.tags.get(KIND, "train"),
            "status": run.status,
            "start": pd.Timestamp(run.start_time, unit="ms", tz="UTC"),
            **run.metrics,
            **{name: run.params.get(key) for key, name in short.items()},
        }
        for run in found
    ]
    columns = ["uid", "experiment", "tag", "task", "kind", "status", "start"]
    return pd.DataFrame(rows, columns=None if rows else columns).set_index("uid")


def _project() -> Project:
    project = find_project()
    load_dotenv(project)
    return project


def _base(run: Run | str, task: str | type[Task] | None, project: Project) -> Base:
    if isinstance(task, type):
        raise RequestError(
            f"same_as brings its task along; {task.__name__} can't be another one. Give one of "
            f"both."
        )
    from shackdoo.commands.same_as import base_of

    return base_of(run.uid if isinstance(run, Run) else run, project)


def _chosen(task: str | type[Task], project: Project) -> list[str]:
    """Return the overrides that choose a task; a name may come as one already: ``task=…``."""
    if isinstance(task, str):
        return [task if "=" in task else f"task={task}"]
    return _of_class(task, project)


def _of_class(task: type[Task], project: Project) -> list[str]:
    """Return the overrides that make the nearest YAML of a class's lineage its own."""
    if not (isinstance(task, type) and issubclass(task, Task)):
        raise RequestError(f"{task!r} is no task: give a name under conf/task, or a Task class.")
    known = {path.stem for folder in project.conf_dirs for path in (folder / "task").glob("*.yaml")}
    base = next((parent for parent in task.lineage() if parent.__name__ in known), None)
    if base is None:
        raise RequestError(
            f"Neither {task.__name__} nor one of its parents has a file under conf/task."
            f"{did_you_mean(task.__name__, known)} Known: {listing(known)}. Write "
            f"conf/task/{task.__name__}.yaml, or inherit from a task that has one."
        )
    own = [f"task._target_={task.__module__}.{task.__qualname__}"]
    return [
        f"task={base.__name__}",
        *own,
        *([f"task.name={task.__name__}"] if base is not task else []),
    ]


def _override(name: str, value: Any) -> str:
    key = name.replace("__", ".")
    from shackdoo.config.schema import Config

    tops = {field.alias or field_name for field_name, field in Config.model_fields.items()}
    own = key.partition(".")[0] in tops
    return as_override(key if own else f"task.parameters.{key}", value)
