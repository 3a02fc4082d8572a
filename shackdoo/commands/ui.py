"""``shackdoo ui``: the MLflow server of the project's store, and the link that opens the runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from shackdoo.commands.configured_store import configured_uri
from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.options import OptionParser
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError, RunError, StoreError
from shackdoo.tracking.experiment_page import VIEW, VIEW_TAG, saved_view
from shackdoo.tracking.listing import RUN_UID
from shackdoo.tracking.server import ask, public_address
from shackdoo.tracking.shipping import read_shipping, start_sync
from shackdoo.tracking.state import local_runs
from shackdoo.tracking.store import is_server, resolve_uri, sqlite_file

OVERRIDE = "tracking.uri="
SHOWN_ADDRESS = "UI_ADDRESS"  # set where the port is published under another one
WAY_OUT = f"shackdoo ui {OVERRIDE}…"
HIGHEST_PORT = 65535
START_SECONDS = 180.0  # a server on a new database makes its tables first
STOP_SECONDS = 10.0
FIRST_SECONDS = 30.0  # and opens them when it is asked for the first time
LOOK_SECONDS = 2.0  # between looks for the first run
MOST_EXPERIMENTS = 1000  # looked through for the newest run
FIRST_RUN = (
    "No run is recorded here yet. Make one from another terminal: make train, or "
    "shackdoo train task=Mnist_B. The link below opens an empty list until then; that of the first "
    "run is printed here as soon as it has begun."
)
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # addresses to serve on: to ask
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C; return the exit code."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    wanted = _override(options.override) or configured_uri(project, f"Give the address: {WAY_OUT}")
    uri = resolve_uri(wanted, project.root)
    _ship_what_is_left(project)
    if is_server(uri):
        print(_link(uri)[0])
        return 0
    host = options.host or os.environ.get("UI_HOST") or "127.0.0.1"
    port = _free_port(host, options.port or os.environ.get("UI_PORT") or "5000")
    _make_database(uri)
    return _serve(uri, host, port, project)


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        prog="shackdoo ui",
        description="Show the runs in the browser. Prints the link; Ctrl-C ends it.",
    )
    parser.add_argument("--host", help="where to serve: UI_HOST, else 127.0.0.1 (this machine)")
    parser.add_argument("--port", help="where to serve: UI_PORT, else 5000; 0 takes a free one")
    parser.add_argument(
        "override",
        nargs="?",
        metavar="tracking.uri=…",
        help="another store than the project's: a server or a database",
    )
    return parser


def _override(argument: str | None) -> str | None:
    if argument is not None and not argument.startswith(OVERRIDE):
        raise RequestError(
            f"'{argument}' is nothing that shackdoo ui knows. It takes {OVERRIDE}… alone, which "
            f"names another store."
        )
    return argument.removeprefix(OVERRIDE) if argument else None


def _free_port(host: str, wanted: str) -> int:
    """Return the port as a number, after a look at whether it can be served on."""
    way_out = "Choose another port with --port (or UI_PORT): 0 takes a free one."
    if not re.fullmatch(r"\d{1,5}", wanted, re.ASCII) or int(wanted) > HIGHEST_PORT:
        raise RequestError(f"'{wanted}' is no port: a number up to {HIGHEST_PORT}. {way_out}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, int(wanted), type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise RequestError(
            f"{host}:{wanted} can't be served: {error.strerror}. Something else may be there "
            f"already. {way_out}"
        ) from None


def _ship_what_is_left(project: Project) -> None:
    """Have dead runs closed and what is left shipped meanwhile, so that it is seen."""
    state = project.state_dir()
    clear_left(state)
    if not all(read_shipping(run.folder).done for run in local_runs(state)):
        start_sync(state)


def _make_database(uri: str) -> None:
    """Make the store if there is none, apart from the server: a training may want it as well."""
    file = sqlite_file(uri)
    if file is None or (file.exists() and file.stat().st_size):
        return
    command = [sys.executable, "-m", "shackdoo.tracking.mlflow_database", str(file)]
    if subprocess.run(command, env=_environment(uri), stdout=sys.stderr).returncode:
        raise RunError(f"The store {file} can't be made; what MLflow said stands above.")


def _serve(uri: str, host: str, port: int, project: Project) -> int:
    address = _address(host, port)
    with _interruptible(), _server(uri, host, port, project) as server:
        _wait_until_up(server, address)
        _tell(server, address)
        code = server.wait()
        raise RunError(
            f"The MLflow server ended by itself (exit code {code}); what it said stands above."
        )
    return 0  # interrupted, which is how it is meant to end


def _tell(server: subprocess.Popen[bytes], address: str) -> None:
    """Print the link; before the first run that of an empty list, and then that of the run."""
    link, seen = _first_link(server, address)
    if not seen:
        print(FIRST_RUN, file=sys.stderr, flush=True)
    print(link, flush=True)
    while not seen and server.poll() is None:
        time.sleep(LOOK_SECONDS)
        with contextlib.suppress(StoreError):  # busy: a training makes its first entries
            link, seen = _shown_link(address)
            if seen:
                print(link, flush=True)


def _first_link(server: subprocess.Popen[bytes], address: str) -> tuple[str, bool]:
    """Return what ``_shown_link`` does; a new server opens its store at the first question only."""
    end = time.monotonic() + FIRST_SECONDS
    while True:
        try:
            return _shown_link(address)
        except StoreError:
            if time.monotonic() > end or server.poll() is not None:
                raise


def _shown_link(address: str) -> tuple[str, bool]:
    """Return what ``_link`` does, under the address by which a browser finds this server."""
    link, seen = _link(address, own=True)
    return link.replace(address, os.environ.get(SHOWN_ADDRESS) or address, 1), seen


def _address(host: str, port: int) -> str:
    """Return where a browser on this machine finds the server."""
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let the ending signals leave the block quietly."""
    previous = {
        number: signal.signal(number, signal.default_int_handler) for number in ENDING_SIGNALS
    }
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _server(uri: str, host: str, port: int, project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server inside the block."""
    command = [sys.executable, "-m", "mlflow", "server"]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    command += ["--uvicorn-opts", "--log-level warning"]
    # What somebody makes in the browser lies where the runs of this project put their files.
    command += ["--default-artifact-root", (project.root / "mlruns").as_uri()]
    server = subprocess.Popen(
        command,
        env=_environment(uri),
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        _stop(server)


def _environment(uri: str) -> dict[str, str]:
    return {
        "PYTHONWARNINGS": "ignore",  # MLflow's own, of no use to who wants to see runs
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **os.environ,
        # Not an argument: everybody on the machine can read those, and it may hold a password.
        "MLFLOW_BACKEND_STORE_URI": uri,
        # Jobs and their workers are for evaluating language models and take most of the start-up.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _wait_until_up(server: subprocess.Popen[bytes], address: str) -> None:
    past_any_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with past_any_proxy.open(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RunError(
        f"The MLflow server did not come up on {address}; what it said stands above. "
        f"`{sys.executable} -m mlflow server` alone may tell more."
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker; a second Ctrl-C does not leave them behind."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _link(uri: str, own: bool = False) -> tuple[str, bool]:
    """Return the address of the run list with the newest run, and whether there is a run at all."""
    found = ask(uri, "experiments/search", {"max_results": MOST_EXPERIMENTS}, own)
    experiments = {each["experiment_id"]: each for each in found.get("experiments", ())}
    newest = {"experiment_ids": [*experiments], "max_results": 1, "order_by": ["start_time DESC"]}
    runs = ask(uri, "runs/search", newest, own).get("runs") if experiments else None
    experiment = runs[0]["info"]["experiment_id"] if runs else "0"
    link = f"{public_address(uri)}/#/experiments/{experiment}/runs?workflowType=machine_learning"
    if runs and RUN_UID in _tags(runs[0]["data"]) and _has_view(uri, experiments[experiment], own):
        link = f"{link}&viewStateShareKey={VIEW}"
    return link, bool(runs)


def _has_view(uri: str, experiment: dict[str, Any], own: bool) -> bool:
    """Return whether the experiment has the view of what matters, made now if it must be."""
    if VIEW_TAG in _tags(experiment):
        return True
    view = {
        "experiment_id": experiment["experiment_id"],
        "key": VIEW_TAG,
        "value": saved_view(),
    }
    try:
        ask(uri, "experiments/set-experiment-tag", view, own)
    except StoreError:  # who may only read sees MLflow's own columns
        return False
    return True


def _tags(thing: dict[str, Any]) -> set[str]:
    return {tag["key"] for tag in thing.get("tags", ())}
