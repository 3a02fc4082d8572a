"""A run that ``mlflow run`` has opened already is closed, whatever is wrong with the request."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from shackdoo.config.project import Project
from shackdoo.errors import RequestError, StoreError


@contextlib.contextmanager
def closing_joined_run(project: Project) -> Iterator[None]:
    """Close the joined run as failed, if there is one, when the block refuses the request."""
    try:
        yield
    except RequestError as error:
        from shackdoo.commands.record_place import JOINED, close_joined_as_failed

        if JOINED in os.environ:
            with contextlib.suppress(StoreError):  # it may be the store that is misnamed
                close_joined_as_failed(project, str(error))
        raise
