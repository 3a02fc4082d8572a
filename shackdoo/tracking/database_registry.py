"""The model registry in a database that MLflow keeps, read from its tables.

An adapter of SQLAlchemy: import it where it is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, column, inspect, select, table

from shackdoo.tracking.database import connected
from shackdoo.tracking.registry import Version

AT_ONCE = 500  # run ids in one question
DELETED = "Deleted_Internal"  # the stage of a version that is gone

MODELS = table("registered_models", column("name"))
VERSIONS = table(
    "model_versions", *(column(name) for name in ("name", "version", "run_id", "current_stage"))
)
ALIASES = table("registered_model_aliases", column("name"), column("alias"), column("version"))


def versions_in(uri: str, name: str | None, run_ids: Collection[str] | None) -> list[Version]:
    """Return versions; see :func:`~shackdoo.tracking.registry.find_versions`."""
    with connected(uri) as connection:
        return _versions(connection, name, run_ids) if _has_registry(connection) else []


def names_in(uri: str) -> list[str]:
    """Return the names of all registered models, sorted."""
    with connected(uri) as connection:
        if not _has_registry(connection):
            return []
        return sorted(connection.execute(select(MODELS.c.name)).scalars())


def _has_registry(connection: Connection) -> bool:
    return inspect(connection).has_table(ALIASES.name)


def _versions(
    connection: Connection, name: str | None, run_ids: Collection[str] | None
) -> list[Version]:
    wanted: list[ColumnElement[bool]] = [VERSIONS.c.current_stage != DELETED]
    if name is not None:
        wanted.append(VERSIONS.c.name == name)
    question = select(VERSIONS).where(*wanted)
    if run_ids is None:
        rows = list(connection.execute(question))
    else:
        ids = sorted(run_ids)
        parts = (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
        rows = [
            row
            for some in parts
            for row in connection.execute(question.where(VERSIONS.c.run_id.in_(some)))
        ]
    if not rows:
        return []
    aliases = _aliases(connection)
    return [
        Version(
            row.name,
            int(row.version),
            row.run_id or "",
            tuple(sorted(aliases[row.name, int(row.version)])),
        )
        for row in rows
    ]


def _aliases(connection: Connection) -> dict[tuple[str, int], list[str]]:
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for row in connection.execute(select(ALIASES)):
        found[row.name, int(row.version)].append(row.alias)
    return found
