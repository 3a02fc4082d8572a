"""The Job that MLflow makes for a cluster, run by a Docker engine under the same limits.

No cluster is asked: the engine gets the container's command, environment, user, capabilities and
mounts, and the volumes are what a kubelet makes of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from persons import IMAGE, git
from store_reader import runs_of

pytestmark = pytest.mark.docker
REPOSITORY = f"{IMAGE}-kubernetes"
NOTE = """two words; $(touch pwned) `touch pwned` "double" & $HOME 日本 > pwned"""
SHORT = "task.parameters.max_steps_per_epoch=5"

# What `mlflow run --backend kubernetes --build-image` does, but for the push and the cluster.
SUBMIT = """
import json, os, sys
from mlflow import MlflowClient
from mlflow.projects import _parse_kubernetes_config, kubernetes
from mlflow.projects.docker import build_docker_image
from mlflow.projects.utils import (
    get_entry_point_command, get_or_create_run, get_run_env_vars, load_project)

repository, base, values = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
backend = json.load(open("kubernetes/backend.json")) | {"repository-uri": repository}
config = _parse_kubernetes_config(backend)
project = load_project(os.getcwd())
experiment = MlflowClient().create_experiment("mnist")
run = get_or_create_run(None, os.getcwd(), experiment, os.getcwd(), None, "train", values)
image = build_docker_image(os.getcwd(), repository, base, run.info.run_id, True, None)
command = kubernetes._get_run_command(get_entry_point_command(project, "train", values, None))
environment = get_run_env_vars(run.info.run_id, run.info.experiment_id)
job = kubernetes._get_kubernetes_job_definition(
    project.name, image.tags[0], "sha256:0", command, environment, config["kube-job-template"])
print(json.dumps(job))
"""


@pytest.fixture
def tracking(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a tracking server."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "tracking")
    from servers import MlflowServer

    store = tmp_path / "mlflow.db"
    store.write_bytes(empty_store.read_bytes())
    server = MlflowServer(f"sqlite:///{store}", tmp_path / "artifacts").start()
    yield server.uri
    server.kill()


def submit(tree: Path, image: str, server: str, overrides: str) -> dict[str, Any]:
    """Return the Job that a cluster would get."""
    values = {"task": "Mnist_B", "overrides": overrides}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SUBMIT, REPOSITORY, image, json.dumps(values)],
        cwd=tree,
        env={**os.environ, "MLFLOW_TRACKING_URI": server, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Node:
    """Volumes as a kubelet makes them: for the group of ``fsGroup``, who else may be root."""

    def __init__(self, folder: Path, pod: dict[str, Any]) -> None:
        self.folder = folder
        self._user = pod["securityContext"]
        self._kinds = {volume["name"]: volume for volume in pod["volumes"]}

    def mount(self, mount: dict[str, Any]) -> str:
        place = self.folder / mount["name"]
        self._folder(place)
        if "downwardAPI" in self._kinds[mount["name"]]:
            place /= mount["subPath"]
            place.touch(mode=0o644)
            return f"{place}:{mount['mountPath']}:ro"
        for part in Path(mount.get("subPath", "")).parts:
            place /= part
            self._folder(place)
        return f"{place}:{mount['mountPath']}"

    def _folder(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        os.chown(path, 0, self._user["fsGroup"])
        path.chmod(0o2775)


def run_job(job: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the Job's container by Docker."""
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user, limits = pod["securityContext"], container["securityContext"]
    node = Node(folder, pod)
    options = ["--rm", "--network", "host", "--user", f"{user['runAsUser']}:{user['runAsGroup']}"]
    options += ["--group-add", str(user["fsGroup"]), "--init"]
    options += [f"--cap-drop={name}" for name in limits["capabilities"]["drop"]]
    options += ["--security-opt=no-new-privileges"] * (not limits["allowPrivilegeEscalation"])
    options += ["--read-only"] * limits["readOnlyRootFilesystem"]
    options += ["--memory", container["resources"]["limits"]["memory"].removesuffix("i")]
    for variable in container["env"]:
        options += ["--env", f"{variable['name']}={variable['value']}"]
    for mount in container["volumeMounts"]:
        options += ["--volume", node.mount(mount)]
    first, *rest = container["command"]
    image = container["image"].partition("@")[0]
    command = ["docker", "run", *options, "--entrypoint", first, image, *rest]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give volumes to a group")
def test_the_job_trains_as_nobody_s_root_and_its_record_is_true(
    tree: Path, image: str, tracking: str, tmp_path: Path
) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    job = submit(tree, image, tracking, f"{SHORT} '+tags.note={NOTE}'")
    try:
        done = run_job(job, folder)
    finally:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        subprocess.run(["docker", "rmi", container["image"].partition("@")[0]], check=True)
    assert done.returncode == 0, done.stderr
    (run,) = runs_of(tracking)
    assert run["status"] == "FINISHED", done.stderr
    assert run["tags"]["note"] == NOTE
    assert run["tags"]["shackdoo.code"] == git(tree, "rev-parse", "HEAD")  # and not dirty
    assert {"config.yaml", "manifest.json", "report"} <= set(run["artifacts"])
    claim = folder / "claim"
    assert list((claim / "data" / "model").glob("Mnist_B-*.keras"))
    (manifest,) = (claim / "state" / "runs").glob("*/files/manifest.json")
    assert manifest.stat().st_uid == 10001
    assert "'" not in json.loads(manifest.read_text())["command"][1]
    assert list(tmp_path.rglob("pwned")) == []
