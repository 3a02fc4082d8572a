"""The runs of a tracking store, read without MLflow; nothing in the store is made or changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shackdoo.tracking.listing import RUNNING, STATUS, TAG, TASK, ListedRun, told_status, told_uid
from shackdoo.tracking.server import ask
from shackdoo.tracking.store import is_server, sqlite_file

PAGE = 200  # runs asked for at once: each comes with all it has
PAGE_OF_EXPERIMENTS = 1000


@dataclass(frozen=True)
class Query:
    """Which runs are wanted.

    Attributes:
        limit: how many at most.
        experiment: of this name only; None for any, as below.
        task: with this tag ``shackdoo.task``.
        tag: with this tag ``shackdoo.tag``.
        status: that have come to this, by what they tell themselves.
        tagged: with these tags, by MLflow's names.
        metric: ranks them by its last value, those without it last; None: the newest first.
        ascending: the smallest value of the metric first.
    """

    limit: int
    experiment: str | None = None
    task: str | None = None
    tag: str | None = None
    status: str | None = None
    metric: str | None = None
    ascending: bool = False
    tagged: tuple[tuple[str, str], ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """The tags that are wanted, by MLflow's names."""
        wanted = {TASK: self.task, TAG: self.tag}
        return {
            **{name: value for name, value in wanted.items() if value is not None},
            **dict(self.tagged),
        }


@dataclass(frozen=True)
class Found:
    """What a store has.

    Attributes:
        runs: the wanted ones, in the order of the query.
        more: whether there are more than its limit.
        experiments: names of all there are.
    """

    runs: list[ListedRun]
    more: bool
    experiments: frozenset[str]


def search_store(uri: str, query: Query) -> Found:
    """Return the runs of a store.

    Args:
        uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.
        query: which ones.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    if is_server(uri):
        return _search_server(uri, query)
    file = sqlite_file(uri)
    if file is not None and not (file.exists() and file.stat().st_size):
        return Found([], False, frozenset())
    from shackdoo.tracking.database_runs import search_database

    return search_database(uri, query)


def _search_server(uri: str, query: Query) -> Found:
    experiments = dict(_experiments(uri))
    ids = [key for key, name in experiments.items() if query.experiment in (None, name)]
    runs: list[ListedRun] = []
    for condition in _conditions(query) if ids else ():
        answers = _pages(uri, "runs/search", "runs", _request(query, condition, ids))
        listed = (_listed(uri, experiments, answer) for answer in answers)
        wanted = (run for run in listed if query.status in (None, run.status))
        runs += islice(wanted, query.limit + 1)
    found = _in_order(runs, query)[: query.limit]
    return Found(found, len(runs) > query.limit, frozenset(experiments.values()))


def _conditions(query: Query) -> list[dict[str, str]]:
    """Return what a search asks for; a filter of MLflow knows no "or", so there may be two.

    The second finds the runs whose status ``mlflow run`` has overwritten.
    """
    wanted = {f"tags.`{name}` =": value for name, value in query.tags.items()}
    if query.status is None:
        return [wanted]
    plain = {**wanted, "attributes.status =": query.status}
    if query.status == RUNNING:
        return [plain]
    told = {f"tags.`{STATUS}` =": query.status, "attributes.status !=": query.status}
    return [plain, {**wanted, **told}]


def _in_order(runs: list[ListedRun], query: Query) -> list[ListedRun]:
    """Return the runs in the order of the query, as one search has it already."""
    newest = sorted(runs, key=lambda run: run.start_time, reverse=True)
    return newest if query.metric is None else sorted(newest, key=lambda run: _rank(run, query))


def _rank(run: ListedRun, query: Query) -> tuple[bool, float]:
    value = run.metrics.get(str(query.metric), math.nan)
    if math.isnan(value):
        return True, 0.0
    return False, value if query.ascending else -value


def _experiments(uri: str) -> Iterator[tuple[str, str]]:
    request = {"max_results": PAGE_OF_EXPERIMENTS}
    for answer in _pages(uri, "experiments/search", "experiments", request):
        yield answer["experiment_id"], answer["name"]


def _request(query: Query, condition: dict[str, str], ids: list[str]) -> dict[str, Any]:
    order = [f"metrics.`{query.metric}` {'ASC' if query.ascending else 'DESC'}"]
    return {
        "experiment_ids": ids,
        "max_results": min(query.limit + 1, PAGE),
        "filter": " and ".join(f"{name} {_quoted(value)}" for name, value in condition.items()),
        "order_by": [*(order if query.metric else ()), "attributes.start_time DESC"],
    }


def _quoted(value: str) -> str:
    """Return the value as a filter of MLflow takes it, which knows no escapes."""
    return f'"{value}"' if "'" in value else f"'{value}'"


def _pages(uri: str, what: str, field: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a search finds, page by page as it is called for."""
    token = None
    while True:
        answer = ask(uri, what, {**request, "page_token": token} if token else request)
        yield from answer.get(field, ())
        if not (token := answer.get("next_page_token")):
            return


def _listed(uri: str, experiments: dict[str, str], answer: dict[str, Any]) -> ListedRun:
    info, data = answer["info"], answer.get("data", {})
    params, metrics, tags = (
        {each["key"]: each.get("value", "") for each in data.get(kind, ())}
        for kind in ("params", "metrics", "tags")
    )
    return ListedRun(
        run_uid=told_uid(tags),
        mlflow_run_id=info["run_id"],
        experiment=experiments[info["experiment_id"]],
        run_name=info.get("run_name", ""),
        status=told_status(info["status"], tags),
        start_time=int(info.get("start_time", 0)),
        end_time=int(info["end_time"]) if info.get("end_time") else None,
        params=params,
        metrics={name: float(value) for name, value in metrics.items()},  # "NaN" too
        tags=tags,
        store=uri,
        shipped=None,
    )
