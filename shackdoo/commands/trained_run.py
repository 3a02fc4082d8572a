"""A run and the model that it has left, wherever that lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shackdoo.commands.configured_store import configured_uri
from shackdoo.commands.run_lookup import BEST, RunLookup
from shackdoo.config.project import Project
from shackdoo.config.schema import BestSpec
from shackdoo.errors import RequestError
from shackdoo.tracking.listing import ListedRun
from shackdoo.tracking.model_files import download_keras
from shackdoo.tracking.registry import is_registry_uri, resolve
from shackdoo.tracking.state import RUNS
from shackdoo.tracking.store import resolve_uri
from shackdoo.tracking.trained import TrainedModel, local_model

PARAMETERS = "task.parameters."


@dataclass(frozen=True)
class TrainedRun:
    """A run and its model.

    Attributes:
        run: as it is listed.
        model: its file and shape.
        registered: what names it in the registry, if it was named so.
    """

    run: ListedRun
    model: TrainedModel
    registered: str | None

    @property
    def parameters(self) -> dict[str, Any]:
        """``task.parameters`` that the run was trained with."""
        import yaml

        texts = {
            key.removeprefix(PARAMETERS): text
            for key, text in self.run.params.items()
            if key.startswith(PARAMETERS)
        }
        return {key: None if t == "None" else yaml.safe_load(t) for key, t in texts.items()}


class TrainedRuns:
    """Finds runs that have left a model."""

    def __init__(self, project: Project, uri: str | None) -> None:
        """Look in the project.

        Args:
            project: whose runs.
            uri: the tracking store, None for the one of the project's settings.
        """
        self._project = project
        self._given = uri
        self._lookup = RunLookup(project, uri and resolve_uri(uri, project.root))

    def task_of(self, wanted: str) -> str:
        """Return the name of the task that a run has trained.

        Raises:
            RequestError: if there is no such run, or only a task could tell which one is meant.
        """
        if wanted == BEST:
            raise RequestError("run=best needs a task: task=NAME. Its configuration says by what.")
        run, _ = self._find(wanted, None, None)
        if run.task is None:
            raise RequestError(f"The run {run.uid[:8]} does not tell its task. Name it: task=NAME.")
        return run.task

    def find(self, wanted: str, task: str, best: BestSpec) -> TrainedRun:
        """Return the run with its model; a model that is not here is fetched from the store.

        Args:
            wanted: an id or its beginning, ``latest``, ``best`` or ``models:/…``.
            task: whose run.
            best: by what ``best`` is meant.

        Raises:
            RequestError: if there is none, or it is another task's.
            StoreError: if the store doesn't give the model.
        """
        run, registered = self._find(wanted, task, best)
        if run.task not in (None, task):
            raise RequestError(
                f"The run {run.uid[:8]} has trained the task {run.task}, not {task}. Leave task "
                f"out, or name a run of {task}."
            )
        return TrainedRun(run, self.model(run), registered)

    def any_task(self, wanted: str, task: str, best: BestSpec) -> ListedRun:
        """Return a run that has left a model, whatever task it has trained.

        Args:
            wanted: an id or its beginning, or of ``task`` the ``latest`` or ``best``.
            task: see there.
            best: by what ``best`` is meant.

        Raises:
            RequestError: if there is none.
        """
        run, _ = self._find(wanted, task, best)
        return run

    def _find(
        self, wanted: str, task: str | None, best: BestSpec | None
    ) -> tuple[ListedRun, str | None]:
        if not is_registry_uri(wanted):
            return self._lookup.find_trained(wanted, task, best), None
        found = resolve(wanted, self._store())
        return self._lookup.find_trained(found.mlflow_run_id, task, best), wanted

    def model(self, run: ListedRun) -> TrainedModel:
        """Return a run's model; one that is not here is fetched from its store.

        Raises:
            RequestError: if it is nowhere.
            StoreError: if the store doesn't give it.
        """
        state = self._project.state_dir()
        if run.shipped is not None and (model := local_model(state / RUNS / run.uid)):
            return model
        if run.mlflow_run_id is None:
            raise RequestError(
                f"The model of the run {run.uid[:8]} is lost on this machine and was never "
                f"shipped. Train the task again."
            )
        into = state / "models" / run.mlflow_run_id
        return TrainedModel(download_keras(run.store, run.mlflow_run_id, into), None)

    def _store(self) -> str:
        wanted = self._given or configured_uri(self._project, "Name the run by its id.")
        return resolve_uri(wanted, self._project.root)
