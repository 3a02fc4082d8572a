"""``shackdoo ui`` serves the runs and prints the link that opens them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from shackdoo.commands import ui
from shackdoo.errors import RequestError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf" / "local").mkdir(parents=True)
    monkeypatch.setenv("SHACKDOO_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_opens_the_experiment_with_the_newest_run(project: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    older, newer = (client.create_experiment(name) for name in ("older", "newer"))
    client.create_run(newer, start_time=2000)
    run = client.create_run(older, start_time=1000)
    client.log_text(run.info.run_id, "hello", "note.txt")
    port = free_port()
    command = [sys.executable, "-m", "shackdoo.cli", "ui", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        link = process.stdout.readline().strip()
        address = f"http://127.0.0.1:{port}"
        try:
            assert link == f"{address}/#/experiments/{newer}/runs?workflowType=machine_learning"
            artifact = f"{address}/get-artifact?path=note.txt&run_uuid={run.info.run_id}"
            with urllib.request.urlopen(artifact, timeout=20) as answer:
                assert answer.read() == b"hello"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    with socket.socket() as probe:  # nothing is left behind
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RequestError, match=rf"127.0.0.1:{port} can't be served: .*--port"):
            ui.main(["--port", str(port)])


def test_the_users_own_settings_name_the_store(project: Path) -> None:
    (project / "conf" / "local" / "default.yaml").write_text("tracking: {uri: 'file:./runs'}\n")
    with pytest.raises(RequestError, match=r"'file:./runs' is a folder of files"):
        ui.main(["--port", "0"])
    assert "MLFLOW_TRACKING_URI" not in os.environ
