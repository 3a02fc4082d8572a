"""The tracking store that runs go into, and the server of ``make server-up``."""

from __future__ import annotations

import os
import time
from urllib.parse import quote

from shackdoo.commands.checkup.finding import Finding
from shackdoo.commands.configured_store import configured_uri
from shackdoo.config.project import Project
from shackdoo.errors import ConfigError, StoreError
from shackdoo.tracking.server import NAME, PASSWORD
from shackdoo.tracking.store import VARIABLE, answers, is_server, resolve_uri, shown, sqlite_file

SERVER_FILE = "conf/local/server.env"  # left by `make server-up`


def look_at_store(project: Project) -> Finding:
    """Return which store is used, why that one, and whether it answers."""
    try:
        configured = configured_uri(project, "shackdoo train says what it finds.")
        uri = resolve_uri(configured, project.root)
    except ConfigError as error:
        return Finding("tracking store", "attention", str(error))
    except StoreError as error:
        return Finding("tracking store", "broken", str(error))
    why = "tracking.uri" if configured else VARIABLE if os.environ.get(VARIABLE) else "default"
    return _asked("tracking store", uri, why)


def look_at_own_server(project: Project) -> list[Finding]:
    """Return how the server is that ``make server-up`` has started; none if it has not."""
    file = project.root / SERVER_FILE
    if not file.is_file():
        return []
    try:
        from dotenv import dotenv_values

        told = dotenv_values(file)
        uri = resolve_uri(told.get(VARIABLE), project.root)
    except (OSError, UnicodeDecodeError, StoreError) as error:
        return [Finding("own server", "attention", f"{file}: {error}", "make server-up")]
    if is_server(uri):
        uri = _with_credentials(uri, told.get(NAME), told.get(PASSWORD))
    return [_asked("own server", uri, SERVER_FILE, "make server-up")]


def _with_credentials(uri: str, name: str | None, password: str | None) -> str:
    scheme, _, place = uri.partition("://")
    if not name or not password or "@" in place:
        return uri
    return f"{scheme}://{quote(name, '')}:{quote(password, '')}@{place}"


def _asked(subject: str, uri: str, why: str, way_out: str | None = None) -> Finding:
    details: dict[str, object] = {"address": shown(uri), "named_by": why}
    began = time.perf_counter()
    try:
        there = answers(uri)
    except StoreError as error:
        waits = "Runs are recorded on this disk meanwhile; `shackdoo sync` ships them later."
        details["answers"] = False
        return Finding(subject, "attention", str(error), way_out or waits, details)
    details["answers"] = there
    took = f"answers in {(time.perf_counter() - began) * 1000:.0f} ms"
    kind = "" if sqlite_file(uri) is None else "SQLite file "
    says = took if there else "made by the first run"
    return Finding(subject, "ok", f"{kind}{shown(uri)} ({why}), {says}", None, details)
