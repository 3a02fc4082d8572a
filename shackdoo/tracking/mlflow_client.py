"""MLflow's client, told before its import how it behaves, and what it fails at.

Every adapter has it from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shackdoo.errors import StoreError
from shackdoo.tracking.store import without_password

# It is the shipper that waits and tries again, and says so.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from mlflow import MlflowClient

__all__ = ["MlflowClient", "told"]


@contextmanager
def told(what: str, uri: str) -> Iterator[None]:
    """Tell in one line what a store fails at, without the password in its address.

    Raises:
        StoreError: in the place of whatever a store, a network or a disk can raise.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(without_password(str(error), uri).split())
        raise StoreError(f"{what}: {reason}.") from error
