"""A connection to a store that is a database, with its troubles told in one line.

An adapter of SQLAlchemy: import it where it is needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from shackdoo.errors import StoreError
from shackdoo.tracking.server import ANSWER_SECONDS
from shackdoo.tracking.store import shown, sqlite_file, without_password

# Those of the drivers that know this argument; the others have time limits of their own.
CONNECT_TIMEOUT_DRIVERS = ("psycopg", "psycopg2", "pymysql", "mysqldb")


@contextmanager
def connected(uri: str) -> Iterator[Connection]:
    """Give a connection for reading; an SQLite file is opened so that none is made.

    Raises:
        StoreError: if the database doesn't answer within 5 s, or refuses.
    """
    try:
        engine = _engine(uri)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
    except ImportError as error:
        raise StoreError(
            f"The tracking store {shown(uri)} can't be used: {error}. Install that driver, or "
            f"name another one: postgresql+psycopg2://… ."
        ) from None
    except SQLAlchemyError as error:
        reason = without_password(str(error).splitlines()[0], uri)
        raise StoreError(f"The tracking store {shown(uri)} can't be used: {reason}.") from None


def _engine(uri: str) -> Engine:
    if (file := sqlite_file(uri)) is not None:
        return create_engine("sqlite://", creator=lambda: _open_file(file))
    engine = create_engine(uri)
    if engine.driver in CONNECT_TIMEOUT_DRIVERS:
        limit = {"connect_timeout": int(ANSWER_SECONDS)}
        engine = create_engine(uri, connect_args=limit)
    return engine


def _open_file(file: Path) -> sqlite3.Connection:
    # Read-only mode could not undo what a killed writer has left half done.
    address = f"file:{quote(str(file))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=ANSWER_SECONDS)
    connection.execute("PRAGMA query_only = ON")
    return connection
