"""Where runs are recorded: the address of the tracking store, checked without MLflow."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from shackdoo.errors import StoreError, did_you_mean, listing

VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
ANSWER_SECONDS = 5.0
WAY_OUT = (
    "Give a server (http://host:5000) or a database (sqlite:////path/mlflow.db) as tracking.uri "
    "or MLFLOW_TRACKING_URI, or neither for mlflow.db in the project's root."
)


def resolve_uri(configured: str | None, root: Path) -> str:
    """Return the address of the tracking store.

    Args:
        configured: ``tracking.uri`` of the configuration; wins over ``MLFLOW_TRACKING_URI``.
        root: of the project; without either, the store is its ``mlflow.db``.

    Raises:
        StoreError: if the address is malformed, names a file store, or an SQLite file whose
            folder can't be written.
    """
    uri = configured or os.environ.get(VARIABLE) or f"sqlite:///{root / DATABASE}"
    if any(character.isspace() for character in uri):
        raise StoreError(f"The tracking store '{_shown(uri)}' has a space in it. {WAY_OUT}")
    scheme, separator, _ = uri.partition(":")
    kind = scheme.split("+")[0].lower()
    if not separator or kind == "file" or "/" in scheme or scheme.startswith("."):
        raise StoreError(
            f"The tracking store '{_shown(uri)}' is a folder of files, which MLflow no longer "
            f"keeps runs in. {WAY_OUT}"
        )
    if kind not in SERVERS + DATABASES:
        known = SERVERS + DATABASES
        raise StoreError(
            f"The tracking store '{_shown(uri)}' begins with '{scheme}:', which is none of "
            f"{listing(known)}.{did_you_mean(kind, known)} {WAY_OUT}"
        )
    return _sqlite(uri, root) if kind == "sqlite" else _with_host(uri)


def check_reachable(uri: str) -> None:
    """Ask the store for an answer, for ``tracking.required=true``.

    Raises:
        StoreError: if it doesn't answer within 5 s, or refuses.
    """
    if uri.startswith(SERVERS):
        _ask_server(uri)
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_engine(uri).connect():
            return
    except (SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(_unreachable(uri, reason)) from None


def request_to(url: str, query: Mapping[str, object]) -> urllib.request.Request:
    """Return a POST to an MLflow server, with the credentials of the environment."""
    request = urllib.request.Request(url, data=json.dumps(query).encode())  # noqa: S310  # http
    request.add_header("Content-Type", "application/json")
    if authorization := _authorization():
        request.add_header("Authorization", authorization)
    return request


def _ask_server(uri: str) -> None:
    url = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search"
    request = request_to(url, {"max_results": 1})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310  # http
            return
    except urllib.error.HTTPError as error:
        answer = error.read(200).decode(errors="replace").strip()
        if error.code in (401, 403) and "host" not in answer.lower():
            answer = "it wants other credentials: MLFLOW_TRACKING_USERNAME and _PASSWORD in .env"
        raise StoreError(_unreachable(uri, f"it answers {error.code}: {answer}")) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise StoreError(_unreachable(uri, str(reason))) from None


def _authorization() -> str | None:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return f"Bearer {token}"
    if name := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{name}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _unreachable(uri: str, reason: str) -> str:
    return (
        f"The tracking store {_shown(uri)} can't be used: {reason}. Mend that, or set "
        f"tracking.required=false: then the run is recorded on this disk and shipped later."
    )


def _sqlite(uri: str, root: Path) -> str:
    """Return the address with an absolute path; its folder must be there and writable."""
    head, _, path = uri.partition(":///")
    if not path:
        raise StoreError(f"The tracking store '{uri}' names no SQLite file. {WAY_OUT}")
    file = root / path  # an absolute path stays what it is
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK) or file.is_dir():
        raise StoreError(
            f"The SQLite store {file} can't be written: {file.parent} is no folder that you may "
            f"write. {WAY_OUT}"
        )
    return f"{head}:///{file}"


def _with_host(uri: str) -> str:
    parts = _split(uri)
    if parts is None or not parts.hostname:
        raise StoreError(f"The tracking store '{_shown(uri)}' names no host. {WAY_OUT}")
    return uri


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _shown(uri: str) -> str:
    """Return the address without credentials."""
    scheme, separator, rest = uri.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
