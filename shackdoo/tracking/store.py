"""Where runs are recorded: the address of the tracking store, checked without MLflow."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from shackdoo.errors import StoreError, did_you_mean, listing
from shackdoo.tracking.server import ask, public_address

VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SQLITE_HEADER = b"SQLite format 3\0"
WAY_OUT = (
    "Give a server (http://host:5000) or a database (sqlite:////path/mlflow.db) as tracking.uri "
    "or MLFLOW_TRACKING_URI, or neither for mlflow.db in the project's root."
)


def resolve_uri(configured: str | None, root: Path) -> str:
    """Return the address of the tracking store.

    Args:
        configured: ``tracking.uri`` of the configuration; wins over ``MLFLOW_TRACKING_URI``.
        root: of the project; without either, the store is its ``mlflow.db``.

    Returns:
        The address with its scheme in lower case; that of an SQLite file with an absolute path.

    Raises:
        StoreError: if the address is malformed, names a file store, or an SQLite file that can't
            be written.
    """
    uri = configured or os.environ.get(VARIABLE) or sqlite_uri(root / DATABASE)
    kind = _kind(uri)
    if uri.strip() != uri or not uri.isprintable() or (" " in uri and kind in SERVERS):
        raise StoreError(f"The tracking store {shown(uri)!r} has a space in it. {WAY_OUT}")
    scheme, _, rest = uri.partition(":")
    if kind not in SERVERS + DATABASES:
        raise StoreError(_unknown(uri, scheme, rest))
    uri = f"{scheme.lower()}:{rest}"
    if kind == "sqlite":
        return _sqlite(uri, root)
    return _server(uri) if kind in SERVERS else _database(uri)


def check_reachable(uri: str) -> None:
    """Ask the store for an answer, for ``tracking.required=true``.

    Args:
        uri: what :func:`resolve_uri` returned.

    Raises:
        StoreError: if it doesn't answer within 5 s, or refuses.
    """
    try:
        answers(uri)
    except StoreError as error:
        raise StoreError(
            f"{error} Or set tracking.required=false: then the run is recorded on this disk and "
            f"shipped later."
        ) from None


def answers(uri: str) -> bool:
    """Return whether the store is there; an SQLite file that the first run makes is not yet.

    Raises:
        StoreError: if it doesn't answer within 5 s, or refuses.
    """
    if is_server(uri):
        ask(uri, "experiments/search", {"max_results": 1})
        return True
    if _is_to_be_made(uri):
        return False
    from shackdoo.tracking.database import connected

    with connected(uri):
        return True


def _is_to_be_made(uri: str) -> bool:
    file = sqlite_file(uri)
    return file is not None and not file.exists() and file.parent.is_dir()


def is_server(uri: str) -> bool:
    """Return whether the store is a tracking server; else it is a database."""
    return _kind(uri) in SERVERS


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite store, None if the store is something else."""
    return Path(_sqlite_path(uri)) if _kind(uri) == "sqlite" else None


def _kind(uri: str) -> str:
    """Return the scheme without a driver: ``postgresql`` of ``postgresql+psycopg://…``."""
    scheme = uri.partition(":")[0].lower()
    base = scheme.partition("+")[0]
    return base if base in DATABASES else scheme


def _unknown(uri: str, scheme: str, rest: str) -> str:
    known = SERVERS + DATABASES
    if re.match(r"\d+(/|$)", rest):
        return (
            f"The tracking store '{shown(uri)}' does not say how to reach it. Did you mean "
            f"'http://{shown(uri)}'? {WAY_OUT}"
        )
    if scheme.lower() == "file" or "/" in scheme or not rest:
        return (
            f"The tracking store '{shown(uri)}' is a folder of files, which MLflow no longer "
            f"keeps runs in. {WAY_OUT}"
        )
    return (
        f"The tracking store '{shown(uri)}' begins with '{scheme}:', which is none of "
        f"{listing(known)}.{did_you_mean(scheme.partition('+')[0], known)} {WAY_OUT}"
    )


def _sqlite_path(uri: str) -> str:
    return unquote(uri.partition(":///")[2].partition("?")[0])


def sqlite_uri(file: Path) -> str:
    """Return the address of an SQLite file."""
    return f"sqlite:///{_quoted(file)}"


def _quoted(path: Path) -> str:
    """Return the path as SQLAlchemy reads it in an address."""
    return str(path).replace("%", "%25").replace("?", "%3F")


def _sqlite(uri: str, root: Path) -> str:
    """Return the address with an absolute path; the file must be writable."""
    path = _sqlite_path(uri)
    if not path or path == ":memory:":
        raise StoreError(
            f"The tracking store '{uri}' names no SQLite file: sqlite:///name.db is one in the "
            f"project's root. {WAY_OUT}"
        )
    file = root / path  # an absolute path stays what it is
    try:
        trouble = _trouble(file)
    except OSError as error:
        trouble = error.strerror
    if trouble:
        raise StoreError(f"The SQLite store {file} can't be written: {trouble}. {WAY_OUT}")
    _, question, arguments = uri.partition("?")
    return f"{uri.partition(':')[0]}:///{_quoted(file)}{question}{arguments}"


def _trouble(file: Path) -> str | None:
    """Return why an SQLite file can't be written; SQLite writes beside it as well."""
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        return f"{file.parent} is no folder that you may write"
    if not file.exists():
        return None
    if not file.is_file() or not os.access(file, os.W_OK):
        return "it is no file that you may write"
    with file.open("rb") as stream:
        head = stream.read(len(SQLITE_HEADER))
    return None if head in (b"", SQLITE_HEADER) else "it is no SQLite database"


def _server(uri: str) -> str:
    parts = _split(uri)
    if parts is None or not parts.hostname:
        raise StoreError(_no_host(uri))
    if parts.query or parts.fragment:
        bare = public_address(parts._replace(query="", fragment="").geturl())
        raise StoreError(
            f"The tracking store '{shown(uri)}' is a page in the browser. Give the server: {bare}"
        )
    return uri


def _database(uri: str) -> str:
    """Check that something is named: a host, or a database behind the local socket."""
    parts = _split(f"x://{uri.partition('://')[2].rpartition('@')[2]}")
    if parts is None or not (parts.hostname or parts.path.strip("/") or parts.query):
        raise StoreError(_no_host(uri))
    return uri


def _no_host(uri: str) -> str:
    return f"The tracking store '{shown(uri)}' names no host, or no number as its port. {WAY_OUT}"


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def without_password(text: str, uri: str) -> str:
    """Return what a driver or a server says without the password, which some of them repeat."""
    password = uri.partition("://")[2].rpartition("@")[0].partition(":")[2]
    for secret in {password, unquote(password)} - {""}:
        text = text.replace(secret, "***")
    return text


def shown(uri: str) -> str:
    """Return the address without credentials, also where it is malformed."""
    head, separator, rest = uri.partition("://")
    if _kind(uri) == "sqlite":
        return uri
    if not separator:
        head, rest = "", uri
    user, _, place = rest.rpartition("@")
    if "?" in user:  # a password with a ? in it, or an @ in the arguments: which, nobody can tell
        place = "***"
    name, question, _ = place.partition("?")
    return f"{head}{separator}{name}{'?***' if question else ''}"
