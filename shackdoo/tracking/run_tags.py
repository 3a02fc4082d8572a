"""The tags of one run in a tracking store, read without MLflow."""

from __future__ import annotations

from shackdoo.errors import StoreError
from shackdoo.tracking.server import fetch
from shackdoo.tracking.store import is_server, shown, sqlite_file


def run_tags(uri: str, run_id: str) -> dict[str, str]:
    """Return the tags of a run.

    Args:
        uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.
        run_id: MLflow's id.

    Raises:
        StoreError: if the store doesn't answer, refuses, or doesn't have the run.
    """
    if is_server(uri):
        tags = fetch(uri, "runs/get", {"run_id": run_id})["run"]["data"].get("tags", ())
        return {tag["key"]: tag["value"] for tag in tags}
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise StoreError(f"The tracking store {shown(uri)} is not there.")
    from shackdoo.tracking.database_runs import tags_of

    return tags_of(uri, run_id)
