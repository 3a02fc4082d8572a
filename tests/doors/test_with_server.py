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
def run(checkout, tmp_path):
    """Run a command that prints its tracking variables; return what came of it."""

    def run(*arguments, export=False, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "ARGS"))}
        script = [checkout / "scripts/with_server.py", *(["--export"] if export else [])]
        return subprocess.run(
            [sys.executable, *script, sys.executable, "-c", PRINT, *arguments],
            env={**kept, "SERVER_CONFIG": str(tmp_path), **variables},
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def printed(run):
    """Run the command; return its tracking variables and what was said."""

    def printed(*arguments, **settings):
        done = run(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        return eval(done.stdout), done.stderr

    return printed


@pytest.fixture
def written(checkout):
    """Write files of a user's own into the checkout; they go with the test."""
    files = []

    def write(name, text):
        files.append(checkout / name)
        files[-1].write_text(text)

    yield write
    for file in files:
        file.unlink()


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


def test_a_store_that_is_named_in_dotenv_wins(printed, login, address, written):
    login(address)
    written(".env", "MLFLOW_TRACKING_URI=sqlite:////tmp/x.db\n")
    assert printed() == ({}, "")  # the command itself reads it


def test_a_store_of_dotenv_is_exported_with_its_login(printed, login, address, written):
    login(address)
    own = {
        "MLFLOW_TRACKING_URI": "http://lab.example:5000",
        "MLFLOW_TRACKING_USERNAME": "me",
        "MLFLOW_TRACKING_PASSWORD": "mine",
    }
    written(".env", "".join(f"{name}={value}\n" for name, value in own.items()))
    variables, said = printed(export=True)
    assert variables == own
    assert said == "tracking store: http://lab.example:5000 (of .env)\n"


def test_other_variables_of_dotenv_are_not_exported(checkout, written):
    written(".env", "OTHER=1\n")
    program = "import os; print(os.environ.get('OTHER'))"
    script = checkout / "scripts/with_server.py"
    done = subprocess.run(
        [sys.executable, script, "--export", sys.executable, "-c", program],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "None\n", done.stderr


def test_a_relative_store_of_dotenv_is_the_projects_own(printed, written, checkout):
    written(".env", "MLFLOW_TRACKING_URI=sqlite:///x.db\n")
    variables, _ = printed(export=True)
    assert variables == {"MLFLOW_TRACKING_URI": f"sqlite:///{checkout}/x.db"}


def test_a_variable_wins_over_dotenv_when_it_is_exported(printed, written):
    written(".env", "MLFLOW_TRACKING_URI=sqlite:////tmp/x.db\n")
    own = {"MLFLOW_TRACKING_URI": "http://lab.example:5000"}
    assert printed(export=True, **own) == (own, "")


def test_a_store_of_the_configuration_is_exported_and_wins(printed, login, address, written):
    login(address)
    written("conf/local/default.yaml", "tracking:\n  uri: http://lab.example:5000\n")
    expected = (
        {"MLFLOW_TRACKING_URI": "http://lab.example:5000"},
        "tracking store: http://lab.example:5000 (of tracking.uri in conf)\n",
    )
    assert printed(export=True) == expected
    # As without the image: what the configuration says wins over the environment.
    assert printed(export=True, MLFLOW_TRACKING_URI="http://other.example:5000") == expected


def test_without_a_store_the_server_is_exported(printed, login, address):
    login(address)
    variables, said = printed(export=True)
    assert variables["MLFLOW_TRACKING_URI"] == address
    assert said == f"tracking server: {address} (of make server-up)\n"


def test_a_store_that_only_a_run_can_look_up_is_refused(run, written):
    written("conf/local/default.yaml", "tracking:\n  uri: ${oc.env:STORE}\n")
    done = run(export=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: tracking.uri is '${oc.env:STORE}', which only a run can look up. "
        "Set MLFLOW_TRACKING_URI and leave tracking.uri out.\n"
    )


@pytest.mark.parametrize(
    "text", ["tracking.uri=http://u:secret@h", "seed=1 ++tracking.uri=x", "'tracking.uri=a b'"]
)
def test_a_store_in_args_is_refused_where_it_would_be_ignored(run, text):
    done = run(export=True, ARGS=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: tracking.uri=… can't be given to a run in the image, since `mlflow run` opens it "
        "first. Set MLFLOW_TRACKING_URI.\n"
    )


@pytest.mark.parametrize("place", ["environment", ".env", "conf/local/default.yaml", "server.env"])
def test_a_password_in_the_address_is_refused(run, written, login, address, place):
    uri = (
        address.replace("//", "//shackdoo:right@")
        if place == "server.env"
        else ("http://me:right@lab.example:5000")
    )
    variables = {}
    if place == "environment":
        variables = {"MLFLOW_TRACKING_URI": uri}
    elif place == "server.env":
        login(uri)
    else:
        texts = {".env": f"MLFLOW_TRACKING_URI={uri}\n"}
        written(place, texts.get(place, f"tracking: {{uri: '{uri}'}}\n"))
    done = run(export=True, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    shown = address if place == "server.env" else "http://lab.example:5000"
    assert done.stderr.splitlines()[-1] == (
        f"error: The address of the tracking store {shown} has a user and a password in it, which "
        f"MLflow prints. Put them into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    )
    assert "right" not in done.stderr


def test_a_database_with_a_password_in_its_address_is_refused(run):
    done = run(export=True, MLFLOW_TRACKING_URI="postgresql://me:right@db.example/mlflow")
    assert done.returncode == 2
    assert done.stderr == (
        "error: The address of the tracking store postgresql://db.example/mlflow has a user and a "
        "password in it, which MLflow prints. Name a tracking server that uses this database.\n"
    )


def test_an_sqlite_file_with_an_at_sign_in_its_name_is_no_password(printed):
    own = {"MLFLOW_TRACKING_URI": "sqlite:////tmp/a:b@c.db"}
    assert printed(export=True, **own) == (own, "")
