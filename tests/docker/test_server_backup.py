"""make server-backup and server-restore: what comes back is all that was there."""

import hashlib
import io
import os
import stat
import subprocess
import sys
import tarfile

import pytest
import requests
from shared_server import SharedServer, docker, find_compose

pytestmark = [pytest.mark.docker]
WRITE = """
import os, pathlib, sys
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
client, folder = MlflowClient(), pathlib.Path(sys.argv[1])
for number in range(3):
    name = f"experiment {number} 実験"
    run = client.create_run(client.create_experiment(name, tags={"kind": "test"})).info.run_id
    metrics = [Metric("loss", 1 / (step + 1), 1000 + step, step) for step in range(1500)]
    metrics += [Metric("odd", value, 5, 0) for value in (float("nan"), float("inf"), 0.1 + 0.2)]
    client.log_batch(run, metrics[:1000])
    client.log_batch(run, metrics[1000:])
    client.log_batch(run, params=[Param("seed", str(number)), Param("title", "ü 'q' \\"x\\"")])
    client.log_batch(run, tags=[RunTag("note", "many\\nlines")])
    client.log_artifacts(run, str(folder), "model")
    client.set_terminated(run, ["FINISHED", "FAILED", "KILLED"][number], end_time=99)
client.create_registered_model("digits")
source = client.get_run(run).info.artifact_uri + "/model"
client.create_model_version("digits", source, run)
client.delete_run(run)
"""
READ = """
import hashlib, json, pathlib
from mlflow import MlflowClient
from mlflow.entities import ViewType
client, found = MlflowClient(), {}
for experiment in client.search_experiments(view_type=ViewType.ALL):
    one = found[experiment.name] = {"id": experiment.experiment_id, "tags": experiment.tags}
    one["at"] = experiment.artifact_location
    for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
        files = {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for folder in [pathlib.Path(client.download_artifacts(run.info.run_id, ""))]
            for file in sorted(folder.rglob("*")) if file.is_file()
        } if run.info.lifecycle_stage == "active" else None
        one[run.info.run_id] = [
            dict(run.info), run.data.params, run.data.tags, files,
            {key: [repr(dict(point)) for point in client.get_metric_history(run.info.run_id, key)]
             for key in run.data.metrics},
        ]
versions = [repr(dict(each)) for each in client.search_model_versions("name='digits'")]
print(json.dumps([found, versions], sort_keys=True, default=repr))
"""


def run_with(server, program, *arguments):
    """Run a Python program as a user of the server does; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        env={**server.environment(), **server.login()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(server, method, path, user, password, **content):
    address = f"http://127.0.0.1:{server.port}/api/2.0/mlflow/{path}"
    return requests.request(method, address, auth=(user, password), timeout=30, **content)


def admin(server):
    return "admin", server.login("server-admin.env")["MLFLOW_TRACKING_PASSWORD"]


@pytest.fixture(scope="module")
def backup(server, tmp_path_factory):
    """A backup of a server with runs, artifacts, models and a user."""
    files = tmp_path_factory.mktemp("artifacts")
    (files / "weights.bin").write_bytes(os.urandom(3_000_000))
    (files / "日本 語.txt").write_text("ü")
    (files / "empty").touch()
    run_with(server, WRITE, str(files))
    user = {"username": "eve", "password": "eve's own password"}
    assert ask(server, "POST", "users/create", *admin(server), json=user).status_code == 200
    file = tmp_path_factory.mktemp("backups") / "folder" / "server.tar"
    done = server.run("backup", BACKUP=str(file))
    assert (done.returncode, done.stdout) == (0, f"{file}\n")
    assert [each.name for each in file.parent.iterdir()] == ["server.tar"]
    return file


def test_backup_is_the_users_own_and_holds_no_password(server, backup):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with tarfile.open(backup) as archive:
        names = archive.getnames()
    assert {"about", "database.dump", "artifacts"} <= set(names)
    assert len([name for name in names if name.endswith("weights.bin")]) == 3
    content = backup.read_bytes()
    for file in ("server.env", "server-admin.env"):
        assert server.login(file)["MLFLOW_TRACKING_PASSWORD"].encode() not in content


def test_a_backup_never_takes_the_place_of_another(server, backup):
    before = hashlib.sha256(backup.read_bytes()).digest()
    done = server.run("backup", BACKUP=str(backup))
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {backup} is there already. Name another file: make server-backup BACKUP=path.\n",
    )
    assert hashlib.sha256(backup.read_bytes()).digest() == before


def test_a_backup_that_fails_leaves_nothing(server, tmp_path):
    chmod = ["exec", f"{server.project}-mlflow", "chmod"]
    docker(*chmod, "000", "/mlflow/data/artifacts")
    try:
        done = server.run("backup", BACKUP=str(tmp_path / "server.tar"))
    finally:
        docker(*chmod, "755", "/mlflow/data/artifacts")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr
    assert done.stderr.endswith(
        "error: The backup failed; the reason stands above. Nothing was written.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_holds_something_is_not_written_over(server, backup):
    before = run_with(server, READ)
    done = server.run("restore", BACKUP=str(backup))
    assert done.returncode == 2
    assert (
        "error: The server holds runs, models, users or artifacts already, and a backup is "
        "restored into an empty one only. Take another server (SERVER_PROJECT=name "
        "SERVER_PORT=5001 SERVER_CONFIG=folder), or remove what this one holds: make server-down "
        "ARGS=--volumes.\n" in done.stderr
    )
    assert run_with(server, READ) == before


def test_all_comes_back_on_another_server(server, backup, second: SharedServer, tmp_path):
    second.compose = find_compose() or "none"
    broken = tmp_path / "half.tar"
    broken.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as archive:
        archive.addfile(tarfile.TarInfo("about"), io.BytesIO())
    for file in (broken, other):
        done = second.run("restore", BACKUP=str(file))
        assert done.returncode == 2
        assert (
            f"error: {file} is no whole backup of make server-backup. The server is as empty as "
            f"before.\n" in done.stderr
        )

    done = second.run("restore", BACKUP=str(backup))
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(
        f"{backup} is restored. shackdoo and admin have the passwords of "
        f"{second.config}/server.env and {second.config}/server-admin.env, "
        f"all other users those of the backup.\n"
    )
    restored = run_with(second, READ)
    assert restored == run_with(server, READ)
    assert restored.count("weights.bin") == 2  # and one more of the run that is deleted
    assert "digits" in restored
    eve = ask(second, "GET", "users/get", "eve", "eve's own password", params={"username": "eve"})
    assert eve.status_code == 200
    assert eve.json()["user"]["is_admin"] is False
    assert ask(second, "GET", "users/get", *admin(second), params={"username": "eve"}).ok
    assert artifacts(second) == artifacts(server)


def artifacts(server):
    """Return the digests of all files on the volume, also those of deleted runs."""
    look = "cd /mlflow/data/artifacts && find . -type f -exec sha256sum {} + | sort"
    found = docker("exec", f"{server.project}-mlflow", "sh", "-c", look)
    assert found.count("weights.bin") == 3
    return found
