"""Run a command with the tracking server of ``make server-up``, if it is up: for make's targets.

``with_server.py COMMAND…`` becomes the command. It says on stderr which store is used, as soon as
there is a choice; a store that the user has named wins.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dotenv import dotenv_values  # noqa: E402

from shackdoo.commands.configured_store import configured_uri  # noqa: E402
from shackdoo.config.project import find_project  # noqa: E402
from shackdoo.errors import ConfigError, StoreError  # noqa: E402
from shackdoo.tracking.server import ask, public_address  # noqa: E402

URI = "MLFLOW_TRACKING_URI"
CHOICES = ("tracking=", "tracking.uri=", "debug=")  # of where a run is recorded, if at all


def main(command: list[str]) -> NoReturn:
    """Become the command, with the server's address and login in its environment."""
    login = Path(ROOT, os.environ.get("SERVER_CONFIG", "conf/local"), "server.env")
    if login.is_file() and not _is_chosen(command):
        _use(login)
    os.execvp(command[0], command)  # noqa: S606  # no shell is wanted


def _is_chosen(command: list[str]) -> bool:
    """Return whether the user has named a store; a file that is broken is the command's to tell."""
    arguments = [*command, *os.environ.get("ARGS", "").split()]  # some commands read make's own
    if os.environ.get(URI) or any(argument.startswith(CHOICES) for argument in arguments):
        return True
    try:
        return bool(dotenv_values(ROOT / ".env").get(URI) or configured_uri(find_project(ROOT), ""))
    except (ConfigError, OSError, UnicodeDecodeError):
        return True


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
