"""Run a command with the tracking server of ``make server-up``, if it is up: for make's targets.

``with_server.py [--export] COMMAND…`` becomes the command. It says on stderr which store is used,
as soon as there is a choice; a store that the user has named wins.

``--export`` is for a command that starts ``mlflow run``, which opens the store before shackdoo can
read ``.env`` and the configuration: the store that they name goes into the environment.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dotenv import dotenv_values  # noqa: E402

from shackdoo.commands.configured_store import configured_uri  # noqa: E402
from shackdoo.config.project import find_project, load_dotenv  # noqa: E402
from shackdoo.errors import (  # noqa: E402
    ConfigError,
    RequestError,
    ShackdooError,
    StoreError,
)
from shackdoo.tracking.server import ask, public_address  # noqa: E402
from shackdoo.tracking.store import (  # noqa: E402
    is_server,
    resolve_uri,
    shown,
    sqlite_file,
)

URI = "MLFLOW_TRACKING_URI"
CHOICES = ("tracking=", "tracking.uri=", "debug=")  # of where a run is recorded, if at all
EXPORT = "--export"


def main(command: list[str]) -> NoReturn:
    """Become the command, with the server's address and login in its environment."""
    export = command[0] == EXPORT
    command = command[export:]
    try:
        if export:
            _export(command)
        login = Path(ROOT, os.environ.get("SERVER_CONFIG", "conf/local"), "server.env")
        if login.is_file() and not _is_chosen(command):
            _use(login)
        if export:
            _check_no_password(os.environ.get(URI, ""))
    except ShackdooError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    os.execvp(command[0], command)  # noqa: S606  # no shell is wanted


def _is_chosen(command: list[str]) -> bool:
    """Return whether the user has named a store; a file that is broken is the command's to tell."""
    if os.environ.get(URI) or any(word.startswith(CHOICES) for word in _words(command)):
        return True
    try:
        return bool(dotenv_values(ROOT / ".env").get(URI) or configured_uri(find_project(ROOT), ""))
    except (ConfigError, OSError, UnicodeDecodeError):
        return True


def _words(command: list[str]) -> list[str]:
    """Return the overrides, Hydra's ``+`` left out; some commands read make's own ARGS."""
    text = os.environ.get("ARGS", "")
    try:
        given = shlex.split(text)
    except ValueError:  # a quote is left open, which is the command's to tell
        given = text.split()
    return [word.lstrip("+") for word in (*command, *given)]


def _export(command: list[str]) -> None:
    """Set the variables of the store that ``.env`` or the configuration names, and say which.

    Raises:
        ShackdooError: if it is named where ``mlflow run`` can't be told of it, or can't be read.
    """
    if any(word.startswith("tracking.uri=") for word in _words(command)):
        raise RequestError(
            "tracking.uri=… can't be given to a run in the image, since `mlflow run` opens it "
            f"first. Set {URI}."
        )
    project, before = find_project(ROOT), os.environ.get(URI)
    load_dotenv(project, prefix="MLFLOW_TRACKING_")
    configured = configured_uri(project, f"Set {URI} and leave tracking.uri out.")
    if not configured and (before is not None or not os.environ.get(URI)):
        return
    uri = os.environ[URI] = resolve_uri(configured, project.root)
    _check_no_password(uri)
    _say(f"tracking store: {shown(uri)} (of {'tracking.uri in conf' if configured else '.env'})")


def _check_no_password(uri: str) -> None:
    user = uri.partition("://")[2].rpartition("@")[0]
    if not user or sqlite_file(uri):
        return
    way_out = (
        "Put them into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        if is_server(uri)
        else "Name a tracking server that uses this database."
    )
    raise RequestError(
        f"The address of the tracking store {shown(uri)} has a user and a password in it, which "
        f"MLflow prints. {way_out}"
    )


def _use(login: Path) -> None:
    """Set the server's variables if it answers to them, and say which store is used."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in dotenv_values(login).items() if value})
    address = os.environ.get(URI, "")
    try:
        ask(address, "experiments/search", {"max_results": 1})
        _say(f"tracking server: {public_address(address)} (of make server-up)")
    except StoreError as error:
        os.environ.clear()
        os.environ.update(before)
        _say(f"{error} It is the server of {login}; `make server-up` starts it again.")
        _say("tracking store: the project's own, mlflow.db")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
