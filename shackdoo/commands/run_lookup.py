"""From what a user calls a run to the run: on this machine first, then in the tracking store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property

from shackdoo.commands.configured_store import configured_uri
from shackdoo.config.project import Project
from shackdoo.config.schema import BestSpec
from shackdoo.errors import RequestError, StoreError
from shackdoo.tracking.listing import KIND, ListedRun, list_local, merged
from shackdoo.tracking.state import local_runs
from shackdoo.tracking.store import resolve_uri
from shackdoo.tracking.store_runs import Query, search_store

LATEST, BEST = "latest", "best"
DIGEST = "shackdoo.config_digest"  # tag
STOPPED = ("KILLED", "FAILED")
WEIGHTS = "shackdoo.weights_sha256"
REPRODUCES = "shackdoo.reproduces"  # tag of a run that repeats another one
SHORTEST = 4  # characters that an id is begun with, at least
LOOKED_THROUGH = 1000  # runs of the store, the newest first
NEWEST = 5


class RunLookup:
    """The runs of this machine and of the store, looked at once and only when needed."""

    def __init__(self, project: Project, uri: str | None = None) -> None:
        """Look for runs of ``project``.

        Args:
            project: whose state folder and store.
            uri: the store; None for the one that the project's settings name.
        """
        self._project = project
        self._uri = uri
        self.trouble: str | None = None

    @cached_property
    def local(self) -> list[ListedRun]:
        """The runs of this machine, the newest first."""
        return list_local(self._project.state_dir())

    @cached_property
    def all(self) -> list[ListedRun]:
        """The runs of this machine and of the store, the newest first."""
        return merged(self.local, self._stored)

    @cached_property
    def _stored(self) -> list[ListedRun]:
        try:
            uri = self._uri or resolve_uri(
                configured_uri(self._project, "Name the run by its id."), self._project.root
            )
            return search_store(uri, Query(LOOKED_THROUGH)).runs
        except (StoreError, RequestError) as error:
            self.trouble = str(error)
            return []

    @cached_property
    def _ours(self) -> set[str]:
        """Uids of this machine's runs that belong to this project."""
        root = str(self._project.root)
        runs = local_runs(self._project.state_dir())
        return {run.uid for run in runs if run.header["project_root"] == root}

    def _is_ours(self, run: ListedRun) -> bool:
        """Return whether a run belongs to this project and repeats no other one."""
        return run.uid in self._ours and REPRODUCES not in run.tags

    def find(self, wanted: str, task: str | None = None, best: BestSpec | None = None) -> ListedRun:
        """Return the run that ``wanted`` names.

        Args:
            wanted: a uid or an MLflow id, whole or its beginning; ``latest``, the newest run of
                this project on this machine; ``best``, the best finished training.
            task: of which task ``latest`` and ``best`` are meant; None for any.
            best: by what ``best`` is meant.

        Raises:
            RequestError: if there is none, or more than one.
        """
        if wanted == LATEST:
            return self._latest(lambda run: task in (None, run.task), task, "run")
        if wanted == BEST:
            return self._best(task, best)
        return self._named(wanted)

    def unfinished(self, digest: str | None = None) -> ListedRun | None:
        """Return the newest training of this project on this machine that has not finished.

        One that is going on is none of them.

        Args:
            digest: of its configuration; None for any.
        """
        for run in self.local:
            stopped = run.status in STOPPED and KIND not in run.tags
            if stopped and digest in (None, run.tags.get(DIGEST)) and self._is_ours(run):
                return run
        return None

    def find_trained(self, wanted: str, task: str | None, best: BestSpec | None) -> ListedRun:
        """Return the same of runs that have left a model, else raise a RequestError."""
        if wanted == LATEST:
            return self._latest(
                lambda run: task in (None, run.task) and has_model(run), task, "trained run"
            )
        run = self.find(wanted, task, best)
        if not has_model(run):
            raise RequestError(
                f"The run {run.uid[:8]} ({run.run_name}, {run.status}) has left no model. "
                f"{self._trained_ones(task)}"
            )
        return run

    def _latest(self, fits: Callable[[ListedRun], bool], task: str | None, what: str) -> ListedRun:
        for run in self.local:
            if self._is_ours(run) and fits(run):
                return run
        of_task = f" of the task {task}" if task else ""
        raise RequestError(
            f"No {what}{of_task} of this project is on this machine yet. "
            f"{self._trained_ones(None)} Train one: shackdoo train task={task or 'Mnist_B'}"
        )

    def _best(self, task: str | None, best: BestSpec | None) -> ListedRun:
        if best is None:
            raise RequestError("'best' needs a task: what is best is set in its configuration.")
        ranked = [
            run
            for run in self.all
            if run.status == "FINISHED"
            and task in (None, run.task)
            and has_model(run)
            and math.isfinite(run.metrics.get(best.metric, math.nan))
        ]
        if not ranked:
            raise RequestError(
                f"No finished run of the task {task} has the metric '{best.metric}' that "
                f"best.metric names. {self._trained_ones(task)}"
            )
        choose = max if best.mode == "max" else min
        return choose(ranked, key=lambda run: run.metrics[best.metric])

    def _named(self, wanted: str) -> ListedRun:
        found = _beginning(wanted, self.local) or _beginning(wanted, self.all)
        if len(wanted) >= SHORTEST and len(found) == 1:
            return found[0]
        if len(wanted) < SHORTEST:
            raise RequestError(
                f"'{wanted}' is too short for a run's id: give at least {SHORTEST} characters of "
                f"it, {LATEST} or {BEST}. {self._newest(self.local)}"
            )
        if not found:
            trouble = f" The store was not looked through: {self.trouble}" if self.trouble else ""
            raise RequestError(
                f"No run '{wanted}' on this machine or in the store. {self._newest(self.all)} "
                f"Give a run's id, its beginning, {LATEST} or {BEST}; `shackdoo runs` lists "
                f"them.{trouble}"
            )
        raise RequestError(
            f"'{wanted}' is the beginning of {len(found)} runs: "
            f"{', '.join(sorted(run.uid for run in found))}. Give more of it."
        )

    def _newest(self, runs: Iterable[ListedRun]) -> str:
        names = [f"{run.uid[:8]} ({run.tag or run.run_name})" for run in runs][:NEWEST]
        return f"The newest: {', '.join(names) or 'none'}."

    def _trained_ones(self, task: str | None) -> str:
        fitting = [run for run in self.local if has_model(run) and task in (None, run.task)]
        return f"Runs with a model: {self._newest(fitting).removeprefix('The newest: ')}"


def has_model(run: ListedRun) -> bool:
    """Return whether the run has trained a model."""
    return WEIGHTS in run.tags and KIND not in run.tags


def _beginning(wanted: str, runs: Iterable[ListedRun]) -> list[ListedRun]:
    return [
        run
        for run in runs
        if any(name and name.startswith(wanted) for name in (run.run_uid, run.mlflow_run_id))
    ]
