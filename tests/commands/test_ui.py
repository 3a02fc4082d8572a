"""``shackdoo ui`` serves the runs and prints the link that opens them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from recorded import die, record

from shackdoo.commands import ui
from shackdoo.errors import ConfigError, RequestError, StoreError
from shackdoo.tracking.experiment_page import NOTE, VIEW_TAG, saved_view
from shackdoo.tracking.journal import now_ms
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.store import check_reachable, resolve_uri
from shackdoo.tracking.tracker import Artifact

QUERY = "runs?workflowType=machine_learning"
KEY = "&viewStateShareKey=shackdoo"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose folder has a name that addresses have trouble with."""
    root = tmp_path / "my 100%20 runs"
    (root / "conf" / "local").mkdir(parents=True)
    monkeypatch.setenv("SHACKDOO_ROOT", str(root))
    monkeypatch.setenv("SHACKDOO_STATE", str(root / "state"))
    for variable in ("MLFLOW_TRACKING_URI", "UI_HOST", "UI_PORT"):
        monkeypatch.delenv(variable, raising=False)
    return root


@pytest.fixture
def with_store(project: Path, empty_store: Path) -> None:
    """The project has a store already: MLflow takes seconds to make one."""
    shutil.copyfile(empty_store, project / "mlflow.db")


def recorded_run(project: Path, experiment: str, start_time: int) -> str:
    """Record a run as training does; return its MLflow id."""
    uri = resolve_uri(None, project)
    folder, tracker = record(project, uri, experiment=experiment, start_time=start_time)
    (project / "note.txt").write_text("hello")
    tracker.attach(Artifact(project / "note.txt", "report"))
    tracker.end("FINISHED")
    return str(ship(folder, Workshop({}, shutil.copyfile)).mlflow_run_id)  # type: ignore[arg-type]


@contextmanager
def serving(ending: signal.Signals, **environment: str) -> Iterator[Callable[[], tuple[str, str]]]:
    """Run ``shackdoo ui`` on a free port; yield what reads the next link: address and page."""
    command = [sys.executable, "-m", "shackdoo.cli", "ui", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        stdout = process.stdout
        assert stdout is not None

        def next_link() -> tuple[str, str]:
            address, _, page = stdout.readline().strip().partition("/#/")
            return address, page

        try:
            yield next_link
        finally:
            process.send_signal(ending)
        assert process.wait(30) == 0


@contextmanager
def served(ending: signal.Signals, **environment: str) -> Iterator[tuple[str, str]]:
    """Run ``shackdoo ui``; yield the server's address and the rest of the link."""
    with serving(ending, **environment) as next_link:
        address, page = next_link()
        yield address, page
    with pytest.raises(OSError, match="refused"):  # nothing is left behind
        urllib.request.urlopen(address, timeout=5)


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        content: bytes = answer.read()
    return content


def experiment_of(project: Path, run: str) -> str:
    from mlflow import MlflowClient

    found: str = MlflowClient(resolve_uri(None, project)).get_run(run).info.experiment_id
    return found


@pytest.mark.usefixtures("with_store")
def test_it_opens_the_experiment_with_the_newest_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = now_ms()
    newer = recorded_run(project, "newer", now)
    older = recorded_run(project, "older", now - 10_000)
    # A proxy that is not there: what runs on this machine is asked past it.
    with served(signal.SIGINT, http_proxy="http://127.0.0.1:1") as (address, page):
        assert page == f"experiments/{experiment_of(project, newer)}/{QUERY}{KEY}"
        listed = json.loads(
            fetch(f"{address}/ajax-api/2.0/mlflow/artifacts/list?run_id={older}&path=report")
        )
        assert [file["path"] for file in listed["files"]] == ["report/note.txt"]
        artifact = f"{address}/get-artifact?path=report/note.txt&run_uuid={older}"
        assert fetch(artifact) == b"hello"

        check_reachable(address)
        with_password = address.replace("//", "//me:hunter2@")
        assert ui.main([f"tracking.uri={with_password}"]) == 0
        assert capsys.readouterr().out == f"{address}/#/{page}\n"


@pytest.mark.usefixtures("with_store")
def test_an_experiment_that_somebody_else_made_gets_the_view_and_keeps_its_text(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    uri = resolve_uri(None, project)
    client = MlflowClient(uri)
    made = client.create_experiment("digits", tags={NOTE: "mine"})
    recorded_run(project, "digits", now_ms())
    with served(signal.SIGTERM) as (address, page):
        assert page == f"experiments/{made}/{QUERY}{KEY}"
        tags = client.get_experiment(made).tags
        assert (tags[NOTE], tags[VIEW_TAG]) == ("mine", saved_view())
        client.set_experiment_tag(made, VIEW_TAG, "changed in the browser")
        assert ui.main([f"tracking.uri={address}"]) == 0
        assert capsys.readouterr().out.endswith(f"{page}\n")
    assert client.get_experiment(made).tags[VIEW_TAG] == "changed in the browser"


@pytest.mark.usefixtures("with_store")
def test_runs_that_shackdoo_did_not_make_open_in_mlflows_own_view(project: Path) -> None:
    from mlflow import MlflowClient

    uri = resolve_uri(None, project)
    client = MlflowClient(uri)
    made = client.create_experiment("others")
    client.create_run(made)
    with served(signal.SIGTERM) as (_, page):
        assert page == f"experiments/{made}/{QUERY}"
    assert VIEW_TAG not in client.get_experiment(made).tags


def test_who_may_only_read_sees_mlflows_own_view() -> None:
    class ReadOnly(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), ReadOnly) as server:
        threading.Thread(target=server.handle_request).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        assert not ui._has_view(uri, {"experiment_id": "1"}, own=True)


def test_a_first_look_before_the_first_run(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(signal.SIGHUP) as next_link:
        address, page = next_link()
        assert page == f"experiments/0/{QUERY}"
        assert (
            "No run is recorded here yet. Make one from another terminal: make train, or "
            "shackdoo train task=Mnist_B." in capfd.readouterr().err
        )
        where = json.loads(fetch(f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0"))
        first = recorded_run(project, "first", now_ms())
        assert next_link() == (address, f"experiments/{experiment_of(project, first)}/{QUERY}{KEY}")
    # A run without a server can write there as well.
    location = where["experiment"]["artifact_location"]
    assert location == f"{(project / 'mlruns').as_uri()}/0"


def test_a_port_that_is_taken(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = rf"127.0.0.1:{port} can't be served: .*--port \(or UI_PORT\)"
        with pytest.raises(RequestError, match=message):
            ui.main(["--port", str(port)])
        (project / ".env").write_text(f"UI_PORT={port}\n")
        monkeypatch.setenv("UI_PORT", str(port))  # so that it is gone again after the test
        with pytest.raises(RequestError, match=message):
            ui.main([])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "http"], r"'http' is no port: a number up to 65535"),
        (["--port", "70000"], r"'70000' is no port"),
        (["--host", "nowhere.invalid"], r"nowhere.invalid:5000 can't be served: .*--port"),
        (["task=Mnist_B"], r"'task=Mnist_B' is nothing that shackdoo ui knows"),
        (["tracking.uri=file:./runs"], r"'file:./runs' is a folder of files"),
    ],
)
def test_mistakes(project: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        ui.main(arguments)


@pytest.fixture
def settings(project: Path) -> Callable[[str, str], Any]:
    """Write a file of the project's settings."""

    def write(file: str, text: str) -> None:
        path = project / "conf" / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return write


def test_the_users_own_settings_name_the_store(settings: Callable[[str, str], Any]) -> None:
    settings("tracking/mlflow.yaml", "uri: 'file:./group'\n")
    with pytest.raises(RequestError, match=r"'file:./group' is a folder of files"):
        ui.main([])
    settings("local/default.yaml", "seed: 3\n")
    with pytest.raises(RequestError, match=r"'file:./group' is a folder of files"):
        ui.main([])
    settings("local/default.yaml", "tracking: {uri: 'file:./own'}\n")
    with pytest.raises(RequestError, match=r"'file:./own' is a folder of files"):
        ui.main([])


def test_settings_that_can_not_be_used(settings: Callable[[str, str], Any]) -> None:
    settings("local/default.yaml", "tracking: {uri: '${oc.env:STORE}'}\n")
    with pytest.raises(ConfigError, match=r"only a run can look up.*ui tracking.uri="):
        ui.main([])
    settings("local/default.yaml", "tracking: {uri: [\n")
    with pytest.raises(ConfigError, match=r"conf/local/default.yaml can't be read"):
        ui.main([])


def test_where_a_browser_on_this_machine_finds_it() -> None:
    assert ui._address("0.0.0.0", 1) == "http://127.0.0.1:1"
    assert ui._address("::", 1) == "http://[::1]:1"
    assert ui._address("gpu7", 1) == "http://gpu7:1"


@pytest.mark.usefixtures("with_store")
def test_a_run_that_died_is_closed_and_shipped_meanwhile(project: Path) -> None:
    folder, tracker = record(project, resolve_uri(None, project))
    die(tracker)
    with served(signal.SIGTERM):
        assert wait_shipped(folder, 120).done


class Goes:
    """A server's process that goes on, or has ended."""

    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code


@pytest.mark.parametrize(("code", "looks"), [(None, 3), (1, 1)])
def test_a_server_that_is_slow_with_its_first_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, code: int | None, looks: int
) -> None:
    asked = []

    def busy_twice(address: str) -> tuple[str, bool]:
        asked.append(address)
        if len(asked) < 3:
            raise StoreError("no answer within 5 s")
        return "the link", True

    monkeypatch.setattr(ui, "_shown_link", busy_twice)
    server: Any = Goes(code)
    if code is None:
        assert ui._first_link(server, "x") == ("the link", True)
    else:
        with pytest.raises(StoreError, match="no answer within 5 s"):
            ui._first_link(server, "x")
    assert len(asked) == looks
