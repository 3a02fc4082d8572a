"""``shackdoo ui``: the MLflow server of the project's store, and the link that opens the runs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError, RunError
from shackdoo.tracking.store import SERVERS, resolve_uri

START_SECONDS = 180.0  # a server on a new database makes its tables first
STOP_SECONDS = 10.0


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C; return the exit code."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    uri = resolve_uri(options.uri or _local_uri(project), project.root)
    if uri.startswith(SERVERS):
        print(_link(uri.rstrip("/")))
        return 0
    _check_free(options.host, options.port)
    return _serve(uri, options.host, options.port, project)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shackdoo ui",
        description="Show the runs in the browser. Prints the link; Ctrl-C ends it.",
    )
    parser.add_argument("--host", default=os.environ.get("UI_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("UI_PORT", "5000")))
    parser.add_argument("--uri", help="another store than the project's: a server or a database")
    return parser


def _local_uri(project: Project) -> str | None:
    """Return ``tracking.uri`` of the user's own settings, which need no composing."""
    import yaml

    path = project.root / "conf" / "local" / "default.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    uri = ((values or {}).get("tracking") or {}).get("uri")
    return None if uri is None else str(uri)


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RequestError(
                f"{host}:{port} can't be served: {error.strerror}. Something else may be there "
                f"already; choose another port with --port (or UI_PORT)."
            ) from None


def _serve(uri: str, host: str, port: int, project: Project) -> int:
    if uri.startswith("sqlite") and not Path(urlsplit(uri).path[1:]).exists():
        print("no run is recorded here yet; make one: shackdoo train task=Mnist_B", file=sys.stderr)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    command += ["--uvicorn-opts", "--log-level warning"]
    # Jobs and their workers are for evaluating language models; they take most of the start-up.
    environment = {
        "PYTHONWARNINGS": "ignore",  # MLflow's own, of no use to who wants to see his runs
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    server = subprocess.Popen(
        command, env=environment, cwd=project.root, stdout=sys.stderr, start_new_session=True
    )
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        address = f"http://{host}:{port}"
        _wait_until_up(server, address)
        print(_link(address), flush=True)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
        _stop(server)


def _wait_until_up(server: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310  # our own
                return
        except OSError:
            time.sleep(0.2)
    raise RunError(
        f"The MLflow server did not come up on {address}; what it said stands above. "
        f"`{sys.executable} -m mlflow server` alone may tell more."
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker."""
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _link(address: str) -> str:
    """Return the address of the run list of the experiment with the newest run."""
    try:
        experiments = _ask(address, "experiments/search", max_results=1000)["experiments"]
        ids = [experiment["experiment_id"] for experiment in experiments]
        newest = _ask(
            address,
            "runs/search",
            experiment_ids=ids,
            max_results=1,
            order_by=["attributes.start_time DESC"],
        ).get("runs")
    except OSError as error:
        raise RunError(
            f"The tracking server {_host(address)} does not answer: {error}. Is it up, and do "
            f"MLFLOW_TRACKING_USERNAME and _PASSWORD fit?"
        ) from None
    experiment = newest[0]["info"]["experiment_id"] if newest else "0"
    return f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning"


def _ask(address: str, what: str, **query: Any) -> Any:
    from shackdoo.tracking.store import request_to

    request = request_to(f"{address}/api/2.0/mlflow/{what}", query)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # http, checked
        return json.load(answer)


def _host(address: str) -> str:
    return unquote(urlsplit(address).netloc.rpartition("@")[2])
