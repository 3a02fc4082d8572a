"""scripts/with_server.py: make's targets find the server of `make server-up`."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

PRINT = "import os; print({k: v for k, v in os.environ.items() if k.startswith('MLFLOW_TRACKING')})"


class Answer(BaseHTTPRequestHandler):
    """As an MLflow server with a login answers to `shackdoo` and to nobody else."""

    def do_POST(self):
        # base64 of shackdoo:right
        right = self.headers["Authorization"] == "Basic c2hhY2tkb286cmlnaHQ="
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"experiments": []}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def login(tmp_path):
    def write(address, password="right"):
        (tmp_path / "server.env").write_text(
            f"MLFLOW_TRACKING_URI={address}\nMLFLOW_TRACKING_USERNAME=shackdoo\n"
            f"MLFLOW_TRACKING_PASSWORD={password}\n"
        )

    return write


@pytest.fixture
def printed(checkout, tmp_path):
    """Run a command that prints its tracking variables; return them and what was said."""

    def run(*arguments, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "ARGS"))}
        done = subprocess.run(
            [
                sys.executable,
                checkout / "scripts/with_server.py",
                sys.executable,
                "-c",
                PRINT,
                *arguments,
            ],
            env={**kept, "SERVER_CONFIG": str(tmp_path), **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return eval(done.stdout), done.stderr

    return run


def test_a_server_that_is_up_is_used(printed, login, address):
    login(address)
    variables, said = printed()
    assert variables == {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_USERNAME": "shackdoo",
        "MLFLOW_TRACKING_PASSWORD": "right",
    }
    assert said == f"tracking server: {address} (of make server-up)\n"


def test_without_a_server_nothing_is_said(printed):
    assert printed() == ({}, "")


def test_a_server_that_is_down_is_told(printed, login, tmp_path):
    login("http://127.0.0.1:9")
    variables, said = printed()
    assert variables == {}
    assert said == (
        "The tracking store http://127.0.0.1:9 can't be used: Connection refused. It is the server "
        f"of {tmp_path / 'server.env'}; `make server-up` starts it again.\n"
        "tracking store: the project's own, mlflow.db\n"
    )


def test_a_server_that_does_not_take_the_password_is_told(printed, login, address):
    login(address, "wrong")
    variables, said = printed()
    assert variables == {}
    assert "it answers 401" in said
    assert "wrong" not in said


@pytest.mark.parametrize("argument", ["tracking.uri=sqlite:////tmp/x.db", "tracking=off"])
def test_a_store_that_is_named_among_the_arguments_wins(printed, login, address, argument):
    login(address)
    assert printed(argument) == ({}, "")
    assert printed(ARGS=f"seed=1 {argument}") == ({}, "")


def test_a_store_that_is_named_by_a_variable_wins(printed, login, address):
    login(address)
    own = {"MLFLOW_TRACKING_URI": "sqlite:////tmp/x.db"}
    assert printed(**own) == (own, "")


def test_a_store_that_is_named_in_dotenv_wins(printed, login, address, checkout):
    login(address)
    file = checkout / ".env"
    file.write_text("MLFLOW_TRACKING_URI=sqlite:////tmp/x.db\n")
    try:
        assert printed() == ({}, "")  # the command itself reads it
    finally:
        file.unlink()
