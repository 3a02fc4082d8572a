"""The accounts of the MLflow server: ``accounts.py [--reset]`` makes those that stdin lists.

Each line of stdin is ``NAME PASSWORD``. Exit code 3: an account is there with another password, and
``--reset`` was not given.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

ADMIN = "admin"
DIFFERS = 3  # exit code


def open_accounts() -> SqlAlchemyStore:
    """Return MLflow's own store of accounts; its tables are made or brought up to date."""
    # MLflow's login refuses to be loaded without one, although nobody is logged in here.
    os.environ.setdefault("MLFLOW_FLASK_SERVER_SECRET_KEY", "unused")
    from mlflow.server.auth.config import read_auth_config
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(read_auth_config().database_uri)
    return store


def set_account(store: SqlAlchemyStore, name: str, password: str, reset: bool) -> bool:
    """Return whether the account has this password now; one that is there changes by reset."""
    if not store.has_user(name):
        store.create_user(name, password, is_admin=name == ADMIN)
    elif not store.authenticate_user(name, password):
        if not reset:
            return False
        store.update_user(name, password=password)
    return True


def main() -> int:
    """Make the accounts; return the exit code."""
    reset = "--reset" in sys.argv[1:]
    wanted = [line.split() for line in sys.stdin if line.strip()]
    store = open_accounts()
    done = [set_account(store, name, password, reset) for name, password in wanted]
    return 0 if all(done) else DIFFERS


if __name__ == "__main__":
    sys.exit(main())
