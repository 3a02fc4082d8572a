"""The shared tracking server as a user meets it: up, used, looked at, down."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
import requests
from shared_server import ROOT, docker, find_compose

pytestmark = [pytest.mark.docker]
SEARCH = "api/2.0/mlflow/experiments/search"
COMPARED = {  # of docker inspect: what compose.yaml and docker/server_plain.sh both say
    "HostConfig": [
        "CapAdd", "CapDrop", "IpcMode", "LogConfig", "PortBindings", "Privileged",
        "ReadonlyRootfs", "RestartPolicy", "SecurityOpt", "ShmSize", "Tmpfs",
    ],
    "Config": ["Cmd", "Entrypoint", "Env", "StopSignal", "StopTimeout", "User", "WorkingDir"],
}  # fmt: skip


def post(server, path, body, user="shackdoo", **headers):
    """Ask the server as one of its users (None: as nobody)."""
    login = server.login("server-admin.env" if user == "admin" else "server.env")
    return requests.post(
        f"http://127.0.0.1:{server.port}/{path}",
        json=body,
        auth=(user, login["MLFLOW_TRACKING_PASSWORD"]) if user else None,
        headers=headers,
        timeout=30,
    )


def inspect(server, service):
    return json.loads(docker("container", "inspect", f"{server.project}-{service}"))[0]


def containers(server):
    return docker("ps", "--all", "--quiet", "--filter", f"name={server.project}-").split()


def test_login_is_wanted_and_taken(server):
    assert post(server, SEARCH, {"max_results": 1}, user=None).status_code == 401
    assert post(server, SEARCH, {"max_results": 1}).status_code == 200
    assert post(server, SEARCH, {"max_results": 1}, user="admin").status_code == 200


def test_only_the_admin_makes_users(server):
    user = {"username": "eve", "password": "long enough password"}
    create = "api/2.0/mlflow/users/create"
    assert post(server, create, user).status_code == 403
    assert post(server, create, user, user="admin").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("mlflow:5000", 200), ("evil.example", 403), ("10.0.0.1:5000", 403)],
)
def test_it_answers_to_its_own_names_alone(server, host, status):
    assert post(server, SEARCH, {"max_results": 1}, Host=host).status_code == status


def test_passwords_are_the_users_own(server):
    for name in ("server.env", "server-admin.env"):
        assert stat.S_IMODE((server.config / name).stat().st_mode) == 0o600
    login = server.login()
    assert login["MLFLOW_TRACKING_URI"] == f"http://127.0.0.1:{server.port}"
    assert login["MLFLOW_TRACKING_USERNAME"] == "shackdoo"
    admin = server.login("server-admin.env")
    assert admin["MLFLOW_TRACKING_PASSWORD"] != login["MLFLOW_TRACKING_PASSWORD"]
    assert len(login["MLFLOW_TRACKING_PASSWORD"]) == 48


def test_no_password_is_where_others_can_look(server):
    shown = json.dumps([inspect(server, service) for service in ("mlflow", "postgres")])
    for service, image in (("mlflow", "server"), ("postgres", "postgres")):
        name = f"{server.project}-{service}"
        logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True)
        shown += logs.stdout + logs.stderr + docker("top", name, "-eo", "pid,args")
        shown += docker("history", "--no-trunc", f"{server.project}-{image}")
    assert "mlflow" in shown
    for file in ("server.env", "server-admin.env"):
        assert server.login(file)["MLFLOW_TRACKING_PASSWORD"] not in shown
    in_memory = docker("exec", f"{server.project}-mlflow", "cat", "/tmp/health")
    assert len(in_memory) == 48
    assert in_memory not in shown


def test_containers_can_do_little(server):
    for service, user in (("mlflow", "10002"), ("postgres", "10003")):
        name = f"{server.project}-{service}"
        assert docker("exec", name, "id", "-u").strip() == user
        capabilities = docker("exec", name, "grep", "CapEff", "/proc/1/status").split()[1]
        assert int(capabilities, 16) == 0
        refused = subprocess.run(["docker", "exec", name, "touch", "/etc/x"], capture_output=True)
        assert b"Read-only file system" in refused.stderr
    assert inspect(server, "postgres")["NetworkSettings"]["Ports"] == {}
    assert inspect(server, "mlflow")["HostConfig"]["PortBindings"] == {
        "5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(server.port)}]
    }


@pytest.mark.parametrize("place", ["/mlflow", "/run/postgresql", "/dev/shm/x", "/var/x"])
def test_an_artifact_location_of_a_users_own_leads_nowhere(server, place):
    made = post(
        server,
        "api/2.0/mlflow/experiments/create",
        {"name": f"to {place}", "artifact_location": place},
    ).json()
    run = post(server, "api/2.0/mlflow/runs/create", made).json()["run"]["info"]["run_id"]
    login = server.login()
    answer = requests.post(
        f"http://127.0.0.1:{server.port}/ajax-api/2.0/mlflow/upload-artifact",
        params={"run_uuid": run, "path": "planted.txt"},
        data=b"planted",
        auth=("shackdoo", login["MLFLOW_TRACKING_PASSWORD"]),
        timeout=30,
    )
    assert answer.status_code == 500
    look = "ls /mlflow/venv/bin/mlflow; find / -xdev -name planted.txt 2>/dev/null || true"
    found = docker("exec", f"{server.project}-mlflow", "sh", "-c", look)
    assert found == "/mlflow/venv/bin/mlflow\n"


def test_up_again_changes_nothing(server):
    before = inspect(server, "mlflow")["Id"], inspect(server, "postgres")["Id"], server.login()
    done = server.run("up")
    assert done.returncode == 0
    assert (
        f"The tracking server is up: http://127.0.0.1:{server.port}\n"
        f"  log in as shackdoo; the password is in {server.config}/server.env" in done.stderr
    )
    assert server.login()["MLFLOW_TRACKING_PASSWORD"] not in done.stderr
    assert before == (
        inspect(server, "mlflow")["Id"],
        inspect(server, "postgres")["Id"],
        server.login(),
    )


def test_make_train_finds_it(server):
    program = "import os; print(os.environ['MLFLOW_TRACKING_URI'])"
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/with_server.py", sys.executable, "-c", program],
        env=server.environment(),
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"http://127.0.0.1:{server.port}\n"
    assert done.stderr == f"tracking server: http://127.0.0.1:{server.port} (of make server-up)\n"


def test_passwords_of_another_checkout_are_asked_for(server, tmp_path):
    done = server.run("up", SERVER_CONFIG=str(tmp_path))
    assert done.returncode == 2
    assert (
        f"error: The server has accounts already, and their passwords are not those of "
        f"{tmp_path}/server.env and {tmp_path}/server-admin.env. Copy these files from the "
        f"checkout that made the server, or give it new passwords, for everybody who uses them: "
        f"make server-up ARGS=--new-passwords. Another server beside it takes SERVER_PROJECT=name "
        f"SERVER_PORT=5001.\n" in done.stderr
    )
    assert list(tmp_path.iterdir()) == []  # passwords that the server did not take
    assert post(server, SEARCH, {"max_results": 1}).status_code == 200  # it goes on


def test_new_passwords_take_the_place_of_the_old(server):
    old = server.login()["MLFLOW_TRACKING_PASSWORD"]
    server.up("--new-passwords")
    assert server.login()["MLFLOW_TRACKING_PASSWORD"] != old
    assert post(server, SEARCH, {"max_results": 1}).status_code == 200
    assert post(server, SEARCH, {"max_results": 1}, user="admin").status_code == 200


def test_names_are_added_and_pages_of_theirs_may_ask(server):
    server.names = "lab.example,192.168.7.7"
    server.up()
    for host in ("lab.example:5000", "lab.example", "192.168.7.7:80", "localhost:5000"):
        origin = f"http://{host}"
        answer = post(server, SEARCH, {"max_results": 1}, Host=host, Origin=origin)
        assert answer.status_code == 200, host
    other = "http://evil.example"
    assert post(server, SEARCH, {"max_results": 1}, Origin=other).status_code == 403


@pytest.mark.parametrize("engine", ["none", "compose"])
def test_it_answers_at_the_address_that_it_tells_and_down_with_volumes_removes_all(second, engine):
    if engine == "compose":
        second.compose = find_compose() or pytest.skip(
            "no compose (Debian: apt-get install --no-install-recommends docker-compose)"
        )
    done = second.run("up", SERVER_HOST="127.0.0.2")
    assert done.returncode == 0, done.stderr
    login = second.login()
    address, name, password = (
        login[f"MLFLOW_TRACKING_{x}"] for x in ("URI", "USERNAME", "PASSWORD")
    )
    assert address == f"http://127.0.0.2:{second.port}"
    assert f"The tracking server is up: {address}\n" in done.stderr
    answer = requests.post(
        f"{address}/{SEARCH}", json={"max_results": 1}, auth=(name, password), timeout=30
    )
    assert answer.status_code == 200, answer.text
    done = second.run("down", "--volumes")
    assert done.stderr == (
        "The tracking server is down, and its runs, artifacts and accounts are removed.\n"
    )
    assert docker("volume", "ls", "--quiet", "--filter", f"name={second.project}_") == ""
    assert docker("network", "ls", "--quiet", "--filter", f"name={second.project}_") == ""


def test_it_comes_back_after_a_crash_of_either(server):
    docker("kill", "--signal", "KILL", f"{server.project}-postgres")
    docker("start", f"{server.project}-postgres")  # docker kill counts as a stop by the user
    before = inspect(server, "mlflow")["RestartCount"]
    # Ends the command itself as well, so that its exit code says nothing.
    kill = ["docker", "exec", f"{server.project}-mlflow", "sh", "-c", "kill -9 -1"]
    subprocess.run(kill, capture_output=True)
    end = time.monotonic() + 60
    while time.monotonic() < end and inspect(server, "mlflow")["RestartCount"] == before:
        time.sleep(0.2)
    server.up()
    assert inspect(server, "mlflow")["RestartCount"] == before + 1
    assert post(server, SEARCH, {"max_results": 1}).status_code == 200


def test_logs_are_shown(server):
    done = server.run("logs")
    assert done.returncode == 0
    assert "database system is ready to accept connections" in done.stdout + done.stderr


def test_a_port_that_is_taken_is_one_clear_error(second):
    with socket.socket() as other:
        other.bind(("127.0.0.1", second.port))
        other.listen()
        done = second.run("up")
    assert done.returncode == 2
    assert (
        f"error: 127.0.0.1:{second.port} can't be served: address already in use. Something else "
        f"may be there already. Choose another port: make server-up SERVER_PORT=5001.\n"
        in done.stderr
    )
    assert containers(second) == []
    assert not second.config.exists()


def test_ctrl_c_leaves_nothing_half_started(second):
    starting = subprocess.Popen(
        ["sh", str(ROOT / "docker" / "server.sh"), "up"],
        env=second.environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 300
    while time.monotonic() < end and not containers(second):
        time.sleep(0.2)
    os.killpg(starting.pid, signal.SIGINT)
    assert starting.wait(120) == 130
    assert containers(second) == []


def test_nothing_is_up(second):
    done = second.run("backup")
    assert (done.returncode, done.stderr) == (
        2,
        "error: No tracking server is up, so there is nothing to back up. Start it: "
        "make server-up.\n",
    )
    done = second.run("logs")
    assert (done.returncode, done.stderr) == (
        2,
        "error: No tracking server is up. Start it: make server-up.\n",
    )
    assert second.run("down").returncode == 0  # there is nothing to stop


def test_down_keeps_the_data_and_compose_starts_the_same(server):
    post(server, "api/2.0/mlflow/experiments/create", {"name": "kept"})
    plain = [inspect(server, service) for service in ("mlflow", "postgres")]
    done = server.run("down")
    assert done.returncode == 0
    names = " ".join(f"{server.project}_{each}" for each in ("database", "socket", "artifacts"))
    assert done.stderr == (
        f"The tracking server is down. Its data stay in the volumes {names}:\n"
        f"make server-up brings it back, make server-down ARGS=--volumes removes them.\n"
    )
    assert containers(server) == []
    server.compose = find_compose() or pytest.skip(
        "no compose (Debian: apt-get install --no-install-recommends docker-compose)"
    )
    server.up()
    found = post(server, SEARCH, {"max_results": 100}).json()["experiments"]
    assert "kept" in {each["name"] for each in found}
    for service, before in zip(("mlflow", "postgres"), plain, strict=True):
        assert compared(inspect(server, service)) == compared(before)
    ids = {inspect(server, service)["Id"] for service in ("mlflow", "postgres")}
    server.up()
    assert {inspect(server, service)["Id"] for service in ("mlflow", "postgres")} == ids


def compared(found):
    """Return what of a container does not depend on who started it."""
    kept = {name: found[part].get(name) for part, names in COMPARED.items() for name in names}
    kept["CapAdd"] = kept["CapAdd"] or []
    kept["Env"] = sorted(kept["Env"])
    kept["Mounts"] = sorted((each["Name"], each["Destination"], each["RW"])
                            for each in found["Mounts"])  # fmt: skip
    kept["Networks"] = sorted(found["NetworkSettings"]["Networks"])
    return kept
