"""docker/server.sh before an engine that only says what it was asked: names and password files."""

import os
import signal
import stat
import subprocess
import time

import pytest

DOCKER = r"""#!/bin/sh
printf '%s\n' "$*" >>"$SAID"
case "$*" in
    *accounts.py*) cat >"$SAID.accounts"; sleep "$SECONDS_LONG"; exit "$TAKEN" ;;
    *State.Health*) echo healthy 0 ;;
    port*) exit 1 ;;
esac
"""
OLD = "MLFLOW_TRACKING_URI=http://127.0.0.1:5000\nMLFLOW_TRACKING_PASSWORD=old\n"


@pytest.fixture
def up(root, tmp_path):
    """Start server-up with the engine that says nothing; it runs when this returns."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(DOCKER)
    engine.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SERVER_", "MAKE"))}
    own = {
        "PATH": f"{engine.parent}:{os.environ['PATH']}",
        "SAID": str(tmp_path / "said"),
        "TAKEN": "0",
        "SECONDS_LONG": "0",
        "SERVER_CONFIG": str(tmp_path / "config"),
        "SERVER_COMPOSE": "none",
    }

    def start(*options, **variables):
        return subprocess.Popen(
            ["sh", str(root / "docker" / "server.sh"), "up", *options],
            env={**kept, **own, **variables},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.fixture
def logins(tmp_path):
    """Two files of passwords that are in use."""
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("server.env", "server-admin.env"):
        (folder / name).write_text(OLD)
    return folder


def ended(process):
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("host", "names", "known"),
    [
        ("192.168.1.5", "", "192.168.1.5"),
        ("127.0.0.2", "lab", "lab,127.0.0.2"),
        ("192.168.1.5", "192.168.1.5,lab", "192.168.1.5,lab"),
        ("192.168.1.5", "1.192.168.1.5", "1.192.168.1.5,192.168.1.5"),
        ("127.0.0.1", "lab", "lab"),
        ("0.0.0.0", "", ""),
    ],
)
def test_the_server_knows_the_address_that_it_is_reached_at(up, tmp_path, host, names, known):
    code, said = ended(up(SERVER_HOST=host, SERVER_NAMES=names))
    assert code == 0, said
    started = (tmp_path / "said").read_text()
    assert f"--env SERVER_NAMES={known} --volume" in started


def test_passwords_are_written_when_the_server_has_taken_them(up, tmp_path):
    code, said = ended(up())
    assert code == 0, said
    taken = (tmp_path / "said.accounts").read_text().split()
    assert taken[::2] == ["admin", "shackdoo"]
    files = contents(tmp_path / "config")
    assert set(files) == {"server.env", "server-admin.env"}
    for file, password in zip(("server-admin.env", "server.env"), taken[1::2], strict=True):
        assert f"MLFLOW_TRACKING_PASSWORD={password}\n" in files[file]
        assert stat.S_IMODE((tmp_path / "config" / file).stat().st_mode) == 0o600


@pytest.mark.parametrize(("taken", "code"), [("3", 2), ("1", 1)])
def test_passwords_that_the_server_does_not_take_are_not_kept(up, tmp_path, taken, code):
    assert ended(up(TAKEN=taken))[0] == code
    assert contents(tmp_path / "config") == {}


def test_new_passwords_that_are_not_taken_leave_the_old(up, logins):
    code, said = ended(up("--new-passwords", TAKEN="1"))
    assert code == 1
    assert "error: The accounts could not be made" in said
    assert contents(logins) == {"server.env": OLD, "server-admin.env": OLD}


def test_a_signal_while_the_server_takes_new_passwords_waits_for_it(up, tmp_path, logins):
    process = up("--new-passwords", SECONDS_LONG="1")
    taken = tmp_path / "said.accounts"
    end = time.monotonic() + 30
    while time.monotonic() < end and not (taken.exists() and taken.read_text().count("\n") == 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    files = contents(logins)
    assert set(files) == {"server.env", "server-admin.env"}
    assert f"PASSWORD={taken.read_text().split()[3]}\n" in files["server.env"]
