"""The runs of a database that MLflow keeps, read from its tables.

MLflow's own client makes tables and an experiment where it misses them, and takes seconds to be
imported. An adapter of SQLAlchemy: import it where it is needed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    case,
    column,
    inspect,
    select,
    table,
)
from sqlalchemy.sql.functions import coalesce

from shackdoo.tracking.database import connected
from shackdoo.tracking.listing import RUNNING, STATUS, ListedRun, told_status, told_uid
from shackdoo.tracking.store_runs import Found, Query

AT_ONCE = 500  # run ids in one question; SQLite takes 32766, older ones 999

EXPERIMENTS = table(
    "experiments", column("experiment_id"), column("name"), column("lifecycle_stage")
)
RUNS = table(
    "runs",
    *(column(name) for name in ("run_uuid", "experiment_id", "name", "status")),
    *(column(name) for name in ("start_time", "end_time", "lifecycle_stage")),
)
PARAMS = table("params", column("run_uuid"), column("key"), column("value"))
TAGS = table("tags", column("run_uuid"), column("key"), column("value"))
METRICS = table(
    "latest_metrics", column("run_uuid"), column("key"), column("value"), column("is_nan")
)


def search_database(uri: str, query: Query) -> Found:
    """Return the runs of a database; see :func:`~shackdoo.tracking.store_runs.search_store`."""
    with connected(uri) as connection:
        return _search(connection, uri, query)


def tags_of(uri: str, run_id: str) -> dict[str, str]:
    """Return the tags of a run; see :func:`~shackdoo.tracking.run_tags.run_tags`."""
    with connected(uri) as connection:
        return _texts(connection, TAGS, [run_id])[run_id]


def _search(connection: Connection, uri: str, query: Query) -> Found:
    if not inspect(connection).has_table(RUNS.name):
        return Found([], False, frozenset())
    active = EXPERIMENTS.c.lifecycle_stage == "active"
    experiments = connection.execute(select(EXPERIMENTS.c.name).where(active)).scalars()
    rows = connection.execute(_wanted(query).where(active)).all()
    runs = _listed(connection, uri, rows[: query.limit])
    return Found(list(runs), len(rows) > query.limit, frozenset(experiments))


def _wanted(query: Query) -> Select[Any]:
    """Return the question for the runs of a query, and for one more."""
    tables = RUNS.join(EXPERIMENTS, RUNS.c.experiment_id == EXPERIMENTS.c.experiment_id)
    wanted = [RUNS.c.lifecycle_stage == "active"]
    if query.experiment is not None:
        wanted.append(EXPERIMENTS.c.name == query.experiment)
    if query.status is not None:
        told = TAGS.alias("told")
        here = and_(told.c.run_uuid == RUNS.c.run_uuid, told.c.key == STATUS)
        tables = tables.outerjoin(told, here)
        status = case(
            (RUNS.c.status == RUNNING, RUNNING), else_=coalesce(told.c.value, RUNS.c.status)
        )
        wanted.append(status == query.status)
    for name, value in query.tags.items():
        tag = TAGS.alias(f"tag_{len(wanted)}")
        tables = tables.join(tag, tag.c.run_uuid == RUNS.c.run_uuid)
        wanted += [tag.c.key == name, tag.c.value == value]
    order: list[Any] = [RUNS.c.start_time.desc(), RUNS.c.run_uuid]
    if query.metric is not None:
        here = and_(METRICS.c.run_uuid == RUNS.c.run_uuid, METRICS.c.key == query.metric)
        tables = tables.outerjoin(METRICS, here)
        last = METRICS.c.value
        ranked = last.asc() if query.ascending else last.desc()
        order = [case((last.is_(None), 1), else_=0), METRICS.c.is_nan, ranked, *order]
    columns = select(RUNS, EXPERIMENTS.c.name.label("experiment")).select_from(tables)
    return columns.where(*wanted).order_by(*order).limit(query.limit + 1)


def _listed(connection: Connection, uri: str, rows: Sequence[Row[Any]]) -> Iterator[ListedRun]:
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        ids = [row.run_uuid for row in some]
        params, tags = _texts(connection, PARAMS, ids), _texts(connection, TAGS, ids)
        metrics = _metrics(connection, ids)
        for row in some:
            own = tags[row.run_uuid]
            yield ListedRun(
                run_uid=told_uid(own),
                mlflow_run_id=row.run_uuid,
                experiment=row.experiment,
                run_name=row.name or "",
                status=told_status(row.status, own),
                start_time=row.start_time or 0,
                end_time=row.end_time,
                params=params[row.run_uuid],
                metrics=metrics[row.run_uuid],
                tags=own,
                store=uri,
                shipped=None,
            )


def _texts(connection: Connection, kind: Any, ids: list[str]) -> dict[str, dict[str, str]]:
    """Return name and value of all params, or tags, by run."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in connection.execute(select(kind).where(kind.c.run_uuid.in_(ids))):
        found[row.run_uuid][row.key] = row.value or ""
    return found


def _metrics(connection: Connection, ids: list[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in connection.execute(select(METRICS).where(METRICS.c.run_uuid.in_(ids))):
        found[row.run_uuid][row.key] = math.nan if row.is_nan else float(row.value)
    return found
