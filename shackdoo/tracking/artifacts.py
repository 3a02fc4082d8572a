"""The files that a store has of a run, fetched.

An adapter of MLflow: import it where it is needed.
"""

from __future__ import annotations

from pathlib import Path

from shackdoo.errors import RequestError
from shackdoo.tracking.mlflow_client import MlflowClient, told
from shackdoo.tracking.store import shown


def fetch_artifact(uri: str, run_id: str, path: str, into: Path, most: int | None) -> Path | None:
    """Return a copy of an artifact, None if the store has none of this name.

    Args:
        uri: of the store.
        run_id: MLflow's.
        path: of the artifact among those of the run; it has the same one below ``into``.
        into: a folder; made if it is missing.
        most: bytes that are fetched; None for any number.

    Raises:
        RequestError: if it has more bytes than ``most``; nothing is fetched then.
        StoreError: if the store doesn't answer.
    """
    client, folder = MlflowClient(uri), path.rpartition("/")[0] or None
    with told(f"The store {shown(uri)} does not list artifacts", uri):
        sizes = {each.path: each.file_size for each in client.list_artifacts(run_id, folder)}
    if path not in sizes:
        return None
    if most is not None and (sizes[path] or 0) > most:
        raise RequestError(
            f"{path} of the run {run_id[:8]} has more than {most:,} bytes; it is not fetched."
        )
    target = into / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = download(uri, f"runs:/{run_id}/{path}", target.parent)
    return found if found == target else found.replace(target)


def download(uri: str, address: str, into: Path) -> Path:
    """Return where in the folder ``into`` the artifact at an address of the store now lies.

    Raises:
        StoreError: if the store doesn't give it.
    """
    from mlflow.artifacts import download_artifacts

    with told(f"The store does not give {shown(address)}", uri):
        return Path(download_artifacts(address, dst_path=str(into), tracking_uri=uri))
