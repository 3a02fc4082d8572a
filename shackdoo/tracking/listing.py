"""Runs as a list of them shows them: those of this machine, merged with those of a store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shackdoo.tracking.journal import Entry, read_entries
from shackdoo.tracking.registry import Version
from shackdoo.tracking.shipping import entries_left, read_shipping
from shackdoo.tracking.state import LocalRun, close_if_dead, local_runs

UID = re.compile(r"[0-9a-f]{32}")
RUN_UID, TASK, TAG = "shackdoo.run_uid", "shackdoo.task", "shackdoo.tag"
STATUS = "shackdoo.status"  # how the run ended, in its own words
KIND = "shackdoo.kind"  # of a run that is no training
PARENT_UID = "shackdoo.parent_uid"
RUNNING = "RUNNING"
STATUSES = (RUNNING, "FINISHED", "FAILED", "KILLED")


@dataclass(frozen=True)
class Shipped:
    """How much of a run of this machine its store has.

    Attributes:
        done: whether it has all of it.
        entries_left: entries of the journal that it has not got yet.
        error: why the last attempt failed, or None.
    """

    done: bool
    entries_left: int
    error: str | None


@dataclass(frozen=True)
class ListedRun:
    """A run, wherever it was found.

    Attributes:
        run_uid: None for a run that shackdoo has not made.
        mlflow_run_id: None for a run that is not in its store yet.
        experiment: its name.
        run_name: its name in the store.
        status: RUNNING, FINISHED, FAILED or KILLED.
        start_time: milliseconds since 1970.
        end_time: the same, or None while it has not ended.
        params: as text, which is how a store holds them.
        metrics: the last value of each.
        tags: all of them, MLflow's own too.
        store: address of the store it belongs into, credentials and all.
        shipped: None for a run of another machine.
        registered: versions of registered models that the run has made.
    """

    run_uid: str | None
    mlflow_run_id: str | None
    experiment: str
    run_name: str
    status: str
    start_time: int
    end_time: int | None
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    store: str
    shipped: Shipped | None
    registered: tuple[Version, ...] = ()

    @property
    def uid(self) -> str:
        """What names the run: its uid, else MLflow's id."""
        return self.run_uid or self.mlflow_run_id or ""

    @property
    def task(self) -> str | None:
        """The task that was trained, if shackdoo has made the run."""
        return self.tags.get(TASK)

    @property
    def tag(self) -> str | None:
        """The second level of the tree, if shackdoo has made the run."""
        return self.tags.get(TAG)

    @property
    def parent(self) -> str:
        """The uid of the run that this one is a part of, or an empty text."""
        return self.tags.get(PARENT_UID, "")


def told_uid(tags: Mapping[str, str]) -> str | None:
    """Return a run's uid; None if it has none, or a tag that is none: uids name folders."""
    uid = tags.get(RUN_UID, "")
    return uid if UID.fullmatch(uid) else None


def told_status(status: str, tags: Mapping[str, str]) -> str:
    """Return a run's status as the program itself told it.

    ``mlflow run`` writes FAILED over KILLED, and over whatever it could not wait for.

    Args:
        status: as the store has it.
        tags: of the run.
    """
    told = tags.get(STATUS)
    return told if told in STATUSES and status != RUNNING else status


def list_local(state: Path) -> list[ListedRun]:
    """Return all runs of this machine, the newest first; those that died are closed before."""
    runs = local_runs(state)
    if [run for run in runs if run.status is None and close_if_dead(run)]:
        runs = local_runs(state)
    return [listed(run) for run in runs]


def merged(local: Iterable[ListedRun], stored: Iterable[ListedRun]) -> list[ListedRun]:
    """Return the runs of both without double ones, the newest first.

    A run of both is the local one, with what only the store knows of it: what somebody has
    added there, the run's name there, the experiment that ``mlflow run`` has put it into.
    """
    ours = list(local)
    by_key = {key: run for run in stored for key in (run.run_uid, run.mlflow_run_id) if key}
    twins = [by_key.get(run.uid) or by_key.get(run.mlflow_run_id or "") for run in ours]
    taken = {twin.mlflow_run_id for twin in twins if twin is not None}
    others = [run for run in by_key.values() if run.mlflow_run_id not in taken]
    runs = [_joined(run, twin) for run, twin in zip(ours, twins, strict=True)]
    runs += {run.mlflow_run_id: run for run in others}.values()
    return sorted(runs, key=lambda run: run.start_time, reverse=True)


def _joined(run: ListedRun, twin: ListedRun | None) -> ListedRun:
    if twin is None:
        return run
    return replace(
        run,
        mlflow_run_id=twin.mlflow_run_id,
        experiment=twin.experiment,
        run_name=twin.run_name,
        params={**twin.params, **run.params},
        metrics={**twin.metrics, **run.metrics},
        tags={**twin.tags, **run.tags},
    )


def listed(run: LocalRun) -> ListedRun:
    """Return a run of this machine as it is listed."""
    shipping, content = read_shipping(run.folder), _Content(run.journal)
    return ListedRun(
        run_uid=run.uid,
        mlflow_run_id=shipping.mlflow_run_id or run.header["mlflow_run_id"],
        experiment=run.header["experiment"],
        run_name=run.header["run_name"],
        status=run.status or RUNNING,
        start_time=run.header["start_time"],
        end_time=content.end_time,
        params=content.params,
        metrics={name: value for name, (_, value) in content.metrics.items()},
        tags={**content.tags, RUN_UID: run.uid, **_parent(run)},
        store=run.header["tracking_uri"],
        shipped=Shipped(shipping.done, entries_left(run.folder), shipping.error),
    )


def _parent(run: LocalRun) -> dict[str, str]:
    parent = run.header["parent_uid"]
    return {PARENT_UID: parent} if parent else {}


class _Content:
    """What the entries of a journal come to; entries that can't be read count for nothing."""

    def __init__(self, journal: Path) -> None:
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.metrics: dict[str, tuple[tuple[int, int], float]] = {}  # (step, time), value
        self.end_time: int | None = None
        for entry, _ in read_entries(journal):
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        match entry:
            case {"kind": "params", "values": dict(values)}:
                self.params |= _texts(values)
            case {"kind": "tags", "values": dict(values)}:
                self.tags |= _texts(values)
            case {"kind": "metrics", "values": dict(values), "step": step, "time": time}:
                for name, value in values.items():
                    last = self.metrics.get(name)
                    if last is None or last[0] <= (step, time):
                        self.metrics[name] = (step, time), float(value)
            case {"kind": "resume"}:
                self.end_time = None
            case {"kind": "end", "time": time}:
                self.end_time = entry.get("died") or time


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
