"""What docker/server.sh answers to requests that it can't meet; none of them needs an engine."""

import os

import pytest
from shared_server import SharedServer


@pytest.fixture
def server(tmp_path):
    return SharedServer(tmp_path)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"SERVER_PORT": "http"},
            "SERVER_PORT is 'http', which is no port. Give a number: SERVER_PORT=5001.",
        ),
        (
            {"SERVER_PORT": "70000"},
            "SERVER_PORT is '70000'. A port is a number from 1 to 65535: SERVER_PORT=5001.",
        ),
        (
            {"SERVER_HOST": "lab"},
            "SERVER_HOST is 'lab', which is no IPv4 address. 127.0.0.1 is for this machine alone, "
            "0.0.0.0 for everybody who reaches it; names go into SERVER_NAMES.",
        ),
        (
            {"SERVER_NAMES": "lab:5000"},
            "SERVER_NAMES is 'lab:5000'. It takes names and addresses without ports, divided by "
            "commas: SERVER_NAMES=lab.example.org,192.168.1.5.",
        ),
        (
            {"SERVER_PROJECT": "My Lab"},
            "SERVER_PROJECT is 'My Lab'. It takes small letters, digits, - and _, and begins with "
            "a letter or a digit.",
        ),
    ],
)
def test_a_setting_that_means_nothing(server, variables, message):
    done = server.run("up", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {message}\n"
    assert not server.config.exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["up", "--fast"], "server-up knows no '--fast'. It takes --new-passwords alone."),
        (
            ["down", "--all"],
            "server-down knows no '--all'. It takes --volumes alone, which removes the data.",
        ),
        (
            ["start"],
            "docker/server.sh knows no 'start'. It takes up, down, logs, backup or restore.",
        ),
        ([], "docker/server.sh knows no ''. It takes up, down, logs, backup or restore."),
    ],
)
def test_a_command_that_does_not_exist(server, command, message):
    done = server.run(*command)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")


def test_restore_wants_to_know_from_what(server):
    done = server.run("restore")
    assert done.returncode == 2
    assert "error: Which backup? make server-restore BACKUP=path. In backups: " in done.stderr
    done = server.run("restore", BACKUP="/nowhere/it.tar")
    assert (done.returncode, done.stderr) == (
        2,
        "error: There is no file /nowhere/it.tar to restore from.\n",
    )


def test_a_machine_without_docker(server, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(f"/bin/{name}" if name == "sh" else f"/usr/bin/{name}")
    done = server.run("up", PATH=str(tools))
    assert (done.returncode, done.stderr) == (
        2,
        "error: There is no docker here. Install it, e.g. apt-get install docker.io (Debian, "
        "Ubuntu), or Docker Desktop (macOS).\n",
    )


def test_an_engine_that_does_not_answer(server, tmp_path):
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon.' >&2\nexit 1\n")
    fake.chmod(0o755)
    done = server.run("up", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: The Docker engine does not answer: Cannot connect to the Docker daemon. Start it "
        "(systemctl start docker), and join its group if you may not use it (usermod -aG docker "
    )
