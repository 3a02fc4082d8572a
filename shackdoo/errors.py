"""The error tree. What a user did wrong is a :class:`RequestError` and never shows a traceback.

::

    ShackdooError
    ├── RequestError        exit 2   the request is wrong; nothing was started
    │   ├── ConfigError              a key, a value or a file under conf/
    │   ├── TaskError                a task's class or its parameters
    │   ├── CatalogError             a data set's name, file or digest
    │   └── StoreError               where to track to, or a folder that can't be written
    ├── IngredientError     exit 3   a run can't be made again: something of it is missing
    └── RunError            exit 1   the run was started and failed
        └── DataError                a fault inside the data that only reading it finds

A message says what was asked, what exists, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ShackdooError(Exception):
    """Root of all errors that are told to the user in one message."""

    exit_code = 1


class RequestError(ShackdooError):
    """The request is wrong; nothing was started."""

    exit_code = 2


class ConfigError(RequestError):
    """A key, a value or a file of the configuration is wrong."""


class TaskError(RequestError):
    """A task's class or its parameters are wrong.

    Attributes:
        key: dotted key of the value that is wrong, if it is one: its place is looked up and told.
    """

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class CatalogError(RequestError):
    """A data set's name, file or digest is wrong."""


class StoreError(RequestError):
    """The tracking store is misnamed, or a folder can't be written."""


class IngredientError(ShackdooError):
    """A run can't be made again, since something that it was made of can't be had; it is named."""

    exit_code = 3


class RunError(ShackdooError):
    """The run was started and failed."""


class DataError(RunError):
    """A fault inside the data that only reading it finds; the item is named."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""


def listing(names: Iterable[str]) -> str:
    """Return the names sorted and joined by commas, ``none`` if there are none."""
    return ", ".join(sorted(names)) or "none"
