"""A container's share of the processors is read as Docker gives it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shackdoo.training.cores import cpu_share

pytestmark = pytest.mark.docker
FILES = "cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


def test_what_docker_gives_is_what_is_read(engine: None, tmp_path: Path) -> None:
    read = "; ".join(f"echo {name}; cat /sys/fs/cgroup/{name} 2>/dev/null; echo" for name in FILES)
    command = ["docker", "run", "--rm", "--cpus", "1.5", "debian:bookworm-slim", "sh", "-c", read]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    (tmp_path / "cpu").mkdir()
    for name in FILES:
        if text := lines[lines.index(name) + 1]:
            (tmp_path / name).write_text(text)
    assert cpu_share(tmp_path) == 1.5
