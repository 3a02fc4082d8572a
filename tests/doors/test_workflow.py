"""The hosted CI runs what `.ci/run` is, where the Docker engine of that can run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def jobs(root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((root / ".github" / "workflows" / "ci.yml").read_text())["jobs"])


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_everything_is_one_script_that_a_clean_machine_runs_as_well(
    root: Path, jobs: dict[str, Any]
) -> None:
    assert commands(jobs["all"])[-1] == "bash .ci/run"
    assert os.access(root / ".ci" / "run", os.X_OK)


def test_it_ends_within_an_hour(jobs: dict[str, Any]) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in jobs.values())


def test_the_container_lets_an_engine_run_inside(root: Path, jobs: dict[str, Any]) -> None:
    container = jobs["all"]["container"]
    suite = re.findall(r"^SUITE=(\w+)$", (root / ".ci" / "docker").read_text(), re.M)
    assert [container["image"]] == [f"debian:{name}" for name in suite]
    assert container["options"].split() == ["--privileged", "--cgroupns=host"]
    assert [volume.partition(":")[2] for volume in container["volumes"]] == ["/var/lib/docker"]


def test_every_python_that_is_supported_is_tried(root: Path, jobs: dict[str, Any]) -> None:
    project = (root / "pyproject.toml").read_text()
    ((low, high),) = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project)
    versions = jobs["versions"]["strategy"]["matrix"]["python"]
    assert versions == [f"3.{minor}" for minor in range(int(low), int(high))]
    assert commands(jobs["versions"]) == ["make test PYTHON=python"]
