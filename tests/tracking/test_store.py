"""The address of the store: checked without MLflow, told in one message."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shackdoo.errors import StoreError
from shackdoo.tracking import server
from shackdoo.tracking.store import check_reachable, resolve_uri, sqlite_file


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


def test_order_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable:5000")
    assert resolve_uri(None, tmp_path) == "http://variable:5000"
    assert resolve_uri("https://configured", tmp_path) == "https://configured"


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("sqlite:///runs.db", "sqlite:///{root}/runs.db"),
        ("sqlite:///my runs.db?timeout=9", "sqlite:///{root}/my runs.db?timeout=9"),
        ("sqlite:///a%25b.db", "sqlite:///{root}/a%25b.db"),
        ("sqlite+pysqlite:////tmp/x.db", "sqlite+pysqlite:////tmp/x.db"),
        ("HTTP://Host:5000/mlflow/", "http://Host:5000/mlflow/"),
        ("postgresql+psycopg://u:p/w@db/x", "postgresql+psycopg://u:p/w@db/x"),
        ("postgresql:///runs", "postgresql:///runs"),  # the local socket
        ("mssql+pyodbc:///?odbc_connect=x", "mssql+pyodbc:///?odbc_connect=x"),
        ("mysql+pymysql://[::1]:3306/x", "mysql+pymysql://[::1]:3306/x"),
    ],
)
def test_admitted(uri: str, resolved: str, tmp_path: Path) -> None:
    assert resolve_uri(uri, tmp_path) == resolved.replace("{root}", str(tmp_path))


def test_sqlalchemy_reads_the_same_file(tmp_path: Path) -> None:
    from sqlalchemy import make_url

    root = tmp_path / "100%20 or more?"
    root.mkdir()
    uri = resolve_uri(None, root)
    assert make_url(uri).database == str(root / "mlflow.db")
    assert sqlite_file(uri) == root / "mlflow.db"
    assert resolve_uri(uri, tmp_path) == uri
    assert sqlite_file("http://host") is None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:./mlruns", r"'file:./mlruns' is a folder of files.*Give a server"),
        ("./mlruns", r"'./mlruns' is a folder of files"),
        ("mlruns", r"'mlruns' is a folder of files"),
        ("/tmp/mlruns", r"'/tmp/mlruns' is a folder of files"),
        ("htp://host", r"begins with 'htp:', which is none of .* Did you mean 'http'\?"),
        ("postgres://host/x", r"begins with 'postgres:'.* Did you mean 'postgresql'\?"),
        ("http+unix://host", r"begins with 'http\+unix:'"),
        ("localhost:5000", r"Did you mean 'http://localhost:5000'\?"),
        ("http://", r"'http://' names no host"),
        ("http:host", r"'http:host' names no host"),
        ("http://host:port", r"names no host, or no number as its port"),
        ("postgresql://u@host:port/x", r"names no host, or no number as its port"),
        ("postgresql://", r"names no host"),
        ("http://a b", r"has a space in it"),
        ("http://host\n", r"has a space in it"),
        ("http://host:5000/#/experiments/1", r"page in the browser. Give the server: http://host"),
        ("sqlite:///", r"names no SQLite file"),
        ("sqlite://runs.db", r"names no SQLite file: sqlite:///name.db"),
        ("sqlite:///:memory:", r"names no SQLite file"),
        ("sqlite:////nowhere/at/all/x.db", r"/nowhere/at/all is no folder that you may write"),
        ("sqlite:////tmp", r"/tmp can't be written: it is no file"),
        ("http://me:hunter2@", r"'http://' names no host"),
        ("http://me:hunter2@host:port", r"'http://host:port' names no host"),
        ("htp://me:hun://ter2@host", r"'htp://host' begins with"),
        ("htp://host/x?password=hunter2", r"'htp://host/x\?\*\*\*' begins with"),
        ("htp://host/x?password=hunter@2", r"'htp://\*\*\*' begins with"),
        ("me:hunter2@host:5000", r"'host:5000' begins with 'me:'"),
    ],
)
def test_mistakes(uri: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        resolve_uri(uri, tmp_path)
    assert "hun" not in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    with pytest.raises(StoreError, match="file is no folder that you may write"):
        resolve_uri(f"sqlite:///{tmp_path}/file/x.db", tmp_path)
    with pytest.raises(StoreError, match="file can't be written: it is no SQLite database"):
        resolve_uri("sqlite:///file", tmp_path)


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers what it is told to, and keeps the credentials that it was given."""

    code, headers_out, text = 200, (("X-Kind", "test"),), b"{}"
    given: list[str | None]

    def do_POST(self) -> None:
        self.given.append(self.headers["Authorization"])
        self.send_response(self.code)
        for name, value in self.headers_out:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *arguments: object) -> None: ...


@contextmanager
def answering(**fields: object) -> Iterator[tuple[str, list[str | None]]]:
    """Serve; yield the address without its scheme, and the list of given credentials."""
    given: list[str | None] = []
    handler = type("Handler", (Answering,), {**fields, "given": given})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", given
        server.shutdown()


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        (401, b"no", r"answers 401: it wants credentials. Set MLFLOW_TRACKING_USERNAME and"),
        (403, b"no", r"answers 403: this user may not"),
        (403, b"Invalid Host header - x", r"Invalid Host header.*--allowed-hosts 127.0.0.1"),
        (404, b"no", r"answers 404: no MLflow server"),
        (302, b"", r"answers 302: it has moved to https://new.example/x. Give that"),
        (500, b"broken", r"answers 500: broken. Or set tracking.required=false"),
        (200, b"<html>", r"no MLflow server"),
        (200, b"[]", r"no MLflow server"),
    ],
)
def test_a_server_that_refuses(code: int, text: bytes, message: str) -> None:
    moved = (("Location", "https://new.example/x/api/2.0/mlflow/experiments/search"),)
    headers = moved if code == 302 else ()
    with (
        answering(code=code, text=text, headers_out=headers) as (address, _),
        pytest.raises(StoreError, match=message) as caught,
    ):
        check_reachable(f"http://{address}")
    assert f"The tracking store http://{address} can't be used" in str(caught.value)


def test_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering() as (address, given):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token")
        check_reachable(f"http://{address}")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
        check_reachable(f"http://{address}")
        check_reachable(f"http://you:p%40w@{address}")
    assert given == ["Bearer token", "Basic bWU6cHc=", "Basic eW91OnBAdw=="]


def test_credentials_that_are_refused_stay_out_of_the_message() -> None:
    with (
        answering(code=401) as (address, _),
        pytest.raises(StoreError, match="doesn't take these credentials") as caught,
    ):
        check_reachable(f"http://me:hunter2@{address}")
    assert "hunter2" not in str(caught.value)


def test_what_is_no_web_server() -> None:
    def greet() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(StoreError, match="what answers there is no MLflow server"):
            check_reachable(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_a_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(StoreError, match="no answer within"),
    ):
        check_reachable(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"http://127.0.0.1:1 can't be used: .*refused"):
        check_reachable("http://127.0.0.1:1")
    check_reachable(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(StoreError, match=r"can't be used: .*unable to open database file"):
        check_reachable("sqlite:////nowhere/x.db")


def test_a_database_without_its_driver() -> None:
    with pytest.raises(StoreError, match=r"No module named 'MySQLdb'. Install that") as caught:
        check_reachable("mysql://me:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(caught.value)


def test_no_mlflow_is_needed() -> None:
    modules = "shackdoo.tracking.store, shackdoo.tracking.journal, shackdoo.tracking.shipping"
    code = f"import sys, {modules}; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
