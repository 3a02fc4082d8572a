"""All values of a run's metrics, from an MLflow store. An adapter of MLflow: import it late."""

from __future__ import annotations

from collections.abc import Iterable

from shackdoo.errors import StoreError
from shackdoo.tracking.mlflow_client import MlflowClient
from shackdoo.tracking.store import shown, without_password


def metric_history(uri: str, run_id: str, names: Iterable[str]) -> dict[str, dict[int, float]]:
    """Return the value at each step of each metric.

    Args:
        uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.
        run_id: MLflow's.
        names: of the metrics.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    try:
        client = MlflowClient(uri)
        found = {name: client.get_metric_history(run_id, name) for name in names}
    except Exception as error:  # whatever a store or a network can raise
        reason = " ".join(without_password(str(error), uri).split())
        raise StoreError(f"The store {shown(uri)} does not give the metrics: {reason}.") from error
    return {name: {each.step: float(each.value) for each in vs} for name, vs in found.items()}
