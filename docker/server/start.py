"""Start the MLflow server: secrets that nobody needs to keep are made now, and stay in memory."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path

import accounts
import health

DATA = Path("/mlflow/data")
PORT = 5000
OWN_NAMES = ("localhost", "127.0.0.1", "mlflow")  # the last one for containers of its network


def main() -> None:
    """Become the server; exit with a message if it was never set up."""
    (DATA / "artifacts").mkdir(exist_ok=True)
    shutil.rmtree(DATA / "uploads", ignore_errors=True)  # cut off by the last stop
    (DATA / "uploads").mkdir()
    store = accounts.open_accounts()
    if not store.has_user(accounts.ADMIN):
        sys.exit("error: the server has no accounts yet. `make server-up` makes them.")
    password = secrets.token_hex(24)
    accounts.set_account(store, health.ACCOUNT, password, reset=True)
    os.umask(0o077)
    health.PASSWORD_FILE.write_text(password)
    os.environ["MLFLOW_FLASK_SERVER_SECRET_KEY"] = secrets.token_hex(32)
    os.environ |= host_checks(os.environ.get("SERVER_NAMES", ""))
    os.execvp("mlflow", server_command())  # noqa: S606  # no shell is wanted


def host_checks(names: str) -> dict[str, str]:
    """Return MLflow's settings of who is called by the right name, and which pages may ask.

    Args:
        names: what users call the server by, divided by commas; its own names come first.
    """
    named = [name for name in names.split(",") if name]
    hosts = [*(f"{name}:*" for name in (*OWN_NAMES, *named)), *named]
    origins = [
        f"{scheme}://{name}{port}"
        for name in named
        for scheme in ("http", "https")
        for port in ("", ":*")
    ]
    # Pages of localhost are allowed anyway; without names there is nothing to add.
    return {"MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts)} | (
        {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins)} if origins else {}
    )


def server_command() -> list[str]:
    """Return the command line, which everybody on the machine can read: no secret is in it."""
    # More than one worker makes each request of a kept connection 40 ms slower.
    command = ["mlflow", "server", "--app-name", "basic-auth", "--workers", "1"]
    command += ["--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104  # the container's own
    command += ["--artifacts-destination", str(DATA / "artifacts")]
    return [*command, "--uvicorn-opts", "--log-level warning"]


if __name__ == "__main__":
    main()
