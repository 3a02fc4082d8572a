"""The SQLite file of a store, made whole or not at all.

MLflow makes some fifty tables one after the other in the file itself. Two processes that do so
at once, or one that is killed meanwhile, leave a file that no MLflow can open any more.

An adapter of MLflow: import it where it is needed, or run it: ``python -m … FILE``.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shackdoo.tracking.store import sqlite_uri


def make_database(file: Path) -> None:
    """Make the database if it is not there yet; processes that want it at once wait for one."""
    if _is_there(file):
        return
    with _folder_locked(file.parent):
        if _is_there(file):
            return
        part = file.with_name(f".{file.name}.part")
        for left in file.parent.glob(f".{file.name}.part*"):  # by one that was killed
            left.unlink()
        _make_tables(part)
        part.replace(file)


def _is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself, so that no lock file is left in it."""
    locked = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(locked, fcntl.LOCK_EX)
        yield
    finally:
        os.close(locked)


def _make_tables(file: Path) -> None:
    """Make the tables and the default experiment, whose files lie beside the database."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    SqlAlchemyStore(sqlite_uri(file), (file.parent / "mlruns").as_uri()).engine.dispose()


if __name__ == "__main__":
    make_database(Path(sys.argv[1]))
