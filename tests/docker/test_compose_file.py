"""compose.yaml as text: what must never get into it, and what must never leave it."""

import re

import pytest
import yaml
from shared_server import ROOT


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_only_mlflow_is_published_and_on_this_machine_unless_told_otherwise(services):
    assert "ports" not in services["postgres"]
    assert services["postgres"]["network_mode"] == "none"
    assert services["mlflow"]["ports"] == [
        "${SERVER_HOST:-127.0.0.1}:${SERVER_PORT:-5000}:5000",
    ]


@pytest.mark.parametrize("name", ["postgres", "mlflow"])
def test_services_are_hardened_and_come_back(services, name):
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize(("folder", "user"), [("postgres", "postgres"), ("server", "mlflow")])
def test_images_have_a_health_check_and_a_user_that_is_not_root(folder, user):
    text = (ROOT / "docker" / folder / "Dockerfile").read_text()
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD \[", text, re.M)
    assert re.findall(r"^USER (\S+)$", text, re.M) == [user]
    assert "ARG BASE_IMAGE=debian:bookworm-slim\nFROM ${BASE_IMAGE}" in text
    assert "--mount" not in text


def test_health_check_of_mlflow_passes_the_host_check_and_the_login():
    text = (ROOT / "docker" / "server" / "health.py").read_text()
    assert "/api/2.0/mlflow/experiments/search" in text
    assert "Authorization" in text


def test_no_secret_is_in_what_docker_is_told():
    told = [ROOT / "compose.yaml", *(ROOT / "docker").glob("*/Dockerfile")]
    told.append(ROOT / "docker" / "server" / "auth.ini")
    for file in told:
        settings = re.sub(r"^\s*[#;].*|\s# .*", "", file.read_text(), flags=re.M)
        assert not re.search(r"password|secret|token|env_file", settings, re.I), file


def test_mlflow_writes_to_one_volume(services):
    assert services["mlflow"]["volumes"] == [
        "artifacts:/mlflow/data",
        "socket:/run/postgresql:ro",
    ]
