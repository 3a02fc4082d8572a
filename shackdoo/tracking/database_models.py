"""The logged models in a database that MLflow keeps, read from its tables.

An adapter of SQLAlchemy: import it where it is needed.
"""

from __future__ import annotations

from sqlalchemy import and_, column, inspect, select, table

from shackdoo.tracking.database import connected
from shackdoo.tracking.model_files import SHA256, LoggedModel

READY = 2  # MLflow's number of that status

MODELS = table(
    "logged_models",
    *(column(name) for name in ("model_id", "artifact_location", "creation_timestamp_ms")),
    *(column(name) for name in ("status", "lifecycle_stage", "source_run_id")),
)
TAGS = table("logged_model_tags", column("model_id"), column("tag_key"), column("tag_value"))


def model_of_run(uri: str, run_id: str) -> LoggedModel | None:
    """Return a run's model; see :func:`~shackdoo.tracking.model_files.find_model`."""
    digest = and_(TAGS.c.model_id == MODELS.c.model_id, TAGS.c.tag_key == SHA256)
    question = (
        select(MODELS.c.model_id, MODELS.c.artifact_location, TAGS.c.tag_value)
        .select_from(MODELS.join(TAGS, digest))
        .where(MODELS.c.source_run_id == run_id, MODELS.c.status == READY)
        .where(MODELS.c.lifecycle_stage == "active")
        .order_by(MODELS.c.creation_timestamp_ms.desc())
    )
    with connected(uri) as connection:
        if not inspect(connection).has_table(MODELS.name):
            return None
        row = connection.execute(question).first()
    return None if row is None else LoggedModel(*row)
