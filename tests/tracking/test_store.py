"""The address of the store: checked without MLflow, told in one message."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shackdoo.errors import StoreError
from shackdoo.tracking.store import check_reachable, resolve_uri


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_order_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable:5000")
    assert resolve_uri(None, tmp_path) == "http://variable:5000"
    assert resolve_uri("https://configured", tmp_path) == "https://configured"
    assert resolve_uri("sqlite:///runs.db", tmp_path) == f"sqlite:///{tmp_path}/runs.db"
    assert resolve_uri("postgresql+psycopg://u:p@db/x", tmp_path).endswith("@db/x")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:./mlruns", r"'file:./mlruns' is a folder of files.*Give a server"),
        ("./mlruns", r"'./mlruns' is a folder of files"),
        ("mlruns", r"'mlruns' is a folder of files"),
        ("/tmp/mlruns", r"'/tmp/mlruns' is a folder of files"),
        ("htp://host", r"begins with 'htp:', which is none of .* Did you mean 'http'\?"),
        ("http://", r"'http://' names no host"),
        ("http://host:port", r"names no host"),
        ("http://a b", r"has a space in it"),
        ("sqlite:///", r"names no SQLite file"),
        ("sqlite:////nowhere/at/all/x.db", r"/nowhere/at/all is no folder that you may write"),
        ("http://me:hunter2@", r"'http://' names no host"),
    ],
)
def test_mistakes(uri: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        resolve_uri(uri, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file is no folder that you may write"):
        resolve_uri(f"sqlite:///{tmp_path}/file/x.db", tmp_path)


class Refusing(http.server.BaseHTTPRequestHandler):
    code, text = 401, b"You are not authenticated"

    def do_POST(self) -> None:
        self.send_response(self.code)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        (401, b"You are not authenticated", "answers 401: it wants other credentials: MLFLOW_TR"),
        (403, b"Invalid Host header", "answers 403: Invalid Host header"),
        (500, b"broken", "answers 500: broken.*tracking.required=false"),
    ],
)
def test_a_server_that_refuses(code: int, text: bytes, message: str) -> None:
    handler = type("Handler", (Refusing,), {"code": code, "text": text})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(StoreError, match=message):
            check_reachable(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_a_server_that_is_not_there(store_uri: str) -> None:
    with pytest.raises(StoreError, match=r"http://127.0.0.1:1 can't be used: .*refused"):
        check_reachable("http://127.0.0.1:1")
    check_reachable(store_uri)
    with pytest.raises(StoreError, match="can't be used"):
        check_reachable("sqlite:////nowhere/x.db")


def test_no_mlflow_is_needed() -> None:
    modules = "shackdoo.tracking.store, shackdoo.tracking.journal, shackdoo.tracking.shipping"
    code = f"import sys, {modules}; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
