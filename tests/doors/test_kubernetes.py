"""The files under kubernetes/: what MLflow makes of them is what a cluster takes, and arrives."""

from __future__ import annotations

import copy
import json
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import kubernetes_validate
import pytest
import yaml
from mlflow.exceptions import ExecutionException
from mlflow.projects import _parse_kubernetes_config, kubernetes
from mlflow.projects.utils import MLFLOW_DOCKER_WORKDIR_PATH, get_entry_point_command, load_project

from shackdoo.commands.train import expand
from shackdoo.config.shell_quotes import VARIABLE, as_written
from shackdoo.provenance.image import CODE

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DIGEST = f"sha256:{64 * 'a'}"
RUN = {"MLFLOW_RUN_ID": 32 * "b", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
VERSIONS = ["1.30", "1.33", kubernetes_validate.latest_version().rpartition(".")[0]]

Command = Callable[..., list[str]]

NASTY = [
    "plain",
    "two words",
    "  spaces at both ends  ",
    "it's",
    'say "no"',
    "'in quotes'",
    "''",
    "'\"'\"'",
    "日本語 の メモ",
    "$(touch /tmp/never) `touch /tmp/never` ; rm -rf / & | > < * ? ~ !",
    "${HOME} $HOME {braces} %percent",
    "back\\slash \\' \\\\ end\\",
    "#no comment",
    "two\nlines\tand a tab",
    "--flag=value",
    "a=b=c",
]
ALPHABET = "'\"\\ $`(){}=;|&<>*?#~!\n\t日本é" + string.ascii_letters


def nasty_values(seed: int, count: int) -> list[str]:
    random = Random(seed)
    return ["".join(random.choices(ALPHABET, k=random.randint(1, 12))) for _ in range(count)]


@pytest.fixture
def command(root: Path, tmp_path: Path) -> Command:
    """The command of the Job's container, by MLflow's own functions."""
    project = load_project(str(root))

    def make(entry_point: str, **parameters: str) -> list[str]:
        written = get_entry_point_command(project, entry_point, parameters, str(tmp_path))
        return list(kubernetes._get_run_command(written))

    return make


def received(command: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(sys, "argv", command[1:])
    return as_written(command[2:])


@pytest.fixture
def config(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(root)  # the template's path counts from there
    backend = json.loads((root / "kubernetes" / "backend.json").read_text())
    return dict(_parse_kubernetes_config(backend))


@pytest.fixture
def job(
    root: Path, command: Command, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The Job as MLflow hands it to the cluster."""
    monkeypatch.delenv("KUBE_MLFLOW_TRACKING_URI", raising=False)
    return dict(
        kubernetes._get_kubernetes_job_definition(
            load_project(str(root)).name,
            f"{config['repository-uri']}:abc1234",
            DIGEST,
            command("train", task="Mnist_B", overrides="seed=1 +tags.note='two words'"),
            dict(RUN),
            copy.deepcopy(config["kube-job-template"]),
        )
    )


@pytest.fixture
def pod(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    return dict(only)


@pytest.fixture
def claim(root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((root / "kubernetes" / "state.yaml").read_text()))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cluster_s_schema_takes_the_job_and_the_claim(
    job: dict[str, Any], claim: dict[str, Any], version: str
) -> None:
    for resource in (job, claim):
        assert kubernetes_validate.validate(resource, version, strict=True) == version


def test_the_schema_refuses_a_field_that_is_misspelt(job: dict[str, Any]) -> None:
    job["spec"]["backofLimit"] = 0
    with pytest.raises(kubernetes_validate.ValidationError, match="backofLimit"):
        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)


def test_the_names_that_mlflow_gives_are_dns_labels(
    job: dict[str, Any], container: dict[str, Any]
) -> None:
    assert re.fullmatch(DNS_LABEL, job["metadata"]["name"])
    assert job["metadata"]["name"].startswith("shackdoo-project-")
    assert re.fullmatch(DNS_LABEL, container["name"])


def test_the_template_names_the_container_as_mlflow_does(
    config: dict[str, Any], container: dict[str, Any]
) -> None:
    spec = config["kube-job-template"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["name"] == container["name"]


def test_mlflow_s_run_is_in_the_environment_and_nothing_set_twice(
    container: dict[str, Any],
) -> None:
    names = [variable["name"] for variable in container["env"]]
    assert len(set(names)) == len(names)
    values = {variable["name"]: variable["value"] for variable in container["env"]}
    assert values | RUN == values
    assert values[VARIABLE] == "1"
    assert container["image"] == f"registry.example.org/shackdoo:abc1234@{DIGEST}"


def test_the_pod_is_nobody_s_root(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False


def test_the_pod_runs_as_the_image_s_user(root: Path, pod: dict[str, Any]) -> None:
    (uid,) = re.findall(r"useradd --uid (\d+)", (root / "Dockerfile").read_text())
    assert pod["securityContext"]["runAsUser"] == int(uid)


def test_what_failed_is_not_started_again(job: dict[str, Any], pod: dict[str, Any]) -> None:
    assert job["spec"]["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never"


def test_the_container_has_requests_and_limits(container: dict[str, Any]) -> None:
    for bound in ("requests", "limits"):
        assert set(container["resources"][bound]) == {"cpu", "memory"}


def test_the_comment_about_gpus_is_a_limit_once_it_is_none(root: Path, job: dict[str, Any]) -> None:
    text = (root / "kubernetes" / "job.yaml").read_text()
    template = yaml.safe_load(text.replace("# nvidia.com/gpu: 1", "nvidia.com/gpu: 1"))
    (container,) = template["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    template["metadata"]["name"] = job["metadata"]["name"]
    container["image"] = "shackdoo"
    kubernetes_validate.validate(template, VERSIONS[-1], strict=True)


def test_the_state_is_on_the_claim_that_is_shipped(
    job: dict[str, Any], pod: dict[str, Any], container: dict[str, Any], claim: dict[str, Any]
) -> None:
    assert claim["metadata"]["namespace"] == job["metadata"]["namespace"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    name = volumes["claim"]["persistentVolumeClaim"]["claimName"]
    assert name == claim["metadata"]["name"]
    places = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    (state,) = [v["value"] for v in container["env"] if v["name"] == "SHACKDOO_STATE"]
    assert places[str(Path(state).parent)]["name"] == "claim"
    assert {mount["name"] for mount in places.values()} == set(volumes)


def test_each_folder_that_a_run_writes_to_is_a_mount(root: Path, container: dict[str, Any]) -> None:
    """The tree is root's if MLflow built the image, and nobody writes beside a mount."""
    assert str(CODE) == MLFLOW_DOCKER_WORKDIR_PATH.rstrip("/")
    listed = subprocess.run(
        ["git", "ls-files", "data/*/.gitkeep"], cwd=root, capture_output=True, text=True, check=True
    )
    kept = {Path(name) for name in listed.stdout.split()}
    places = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    assert {place for place in places if place.is_relative_to(CODE)} == {
        CODE / path for keep in kept for path in (keep, keep.parent)
    }
    assert all((root / keep).read_bytes() == b"" for keep in kept)


def test_a_password_is_a_secret_s_and_the_job_goes_without_one(
    container: dict[str, Any],
) -> None:
    assert container["envFrom"] == [{"secretRef": {"name": "shackdoo-tracking", "optional": True}}]
    assert not [v for v in container["env"] if "PASSWORD" in v["name"] or "TOKEN" in v["name"]]


def test_the_template_s_path_counts_from_where_mlflow_is_started(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = json.loads((root / "kubernetes" / "backend.json").read_text())
    with pytest.raises(
        ExecutionException, match=r"'kube-job-template-path': kubernetes/job\.yaml$"
    ):
        _parse_kubernetes_config(backend)


@pytest.mark.parametrize("value", NASTY)
def test_an_override_arrives_as_written(
    command: Command, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = received(command("train", task="Mnist_B", overrides=value), monkeypatch)
    assert arguments == ["task=Mnist_B", "optimizer=", f"overrides={value}"]
    assert sys.argv == ["scripts/train.py", *arguments]  # what the record tells


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_asked_about_arrives_as_written(
    command: Command, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in nasty_values(seed, 100):
        arguments = received(command("infer", input=value, run=value), monkeypatch)
        assert arguments == [
            f"input={value}",
            "output=",
            "task=",
            f"run={value}",
            "overrides=",
        ]


def test_an_empty_value_arrives_empty_and_goes(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = received(command("train", task="Mnist_B", overrides=""), monkeypatch)
    assert arguments[-1] == "overrides="
    assert expand(arguments) == ["task=Mnist_B"]


def test_an_empty_argument_s_quotes_come_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert received(["python3", "scripts/train.py", "''"], monkeypatch) == [""]


@pytest.mark.parametrize("text", ["two words", "日本語", "it's; $(touch never) `touch never`"])
def test_the_job_s_command_reads_the_configuration_that_was_asked_for(
    root: Path, command: Command, container: dict[str, Any], tmp_path: Path, text: str
) -> None:
    """The whole chain, in a process that gets the container's command and environment."""
    override = f'+tags.note="{text}"'
    overrides = f"--cfg job {shlex.quote(override)} seed=7"
    (python, script, *arguments) = command("train", task="Mnist_B", overrides=overrides)
    assert python == "python3"
    environment = {v["name"]: v["value"] for v in container["env"] if v["name"] == VARIABLE}
    done = subprocess.run(
        [sys.executable, root / script, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "", "PYTHONUTF8": "1", "SHACKDOO_STATE": str(tmp_path), **environment},
    )
    assert done.returncode == 0, done.stderr
    composed = yaml.safe_load(done.stdout)
    assert composed["seed"] == 7
    assert composed["tags"] == {"note": text}
