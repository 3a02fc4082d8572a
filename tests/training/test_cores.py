from __future__ import annotations

import os
from pathlib import Path

import pytest

from shackdoo.training import cores
from shackdoo.training.cores import available_cores, cpu_share

FIRST = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


def given(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({FIRST[0]: "400000\n", FIRST[1]: "100000\n"}, 4.0),
        ({FIRST[0]: "-1\n", FIRST[1]: "100000\n"}, None),
        ({}, None),
        ({"cpu.max": "\n"}, None),
    ],
    ids=["version 2", "no limit", "version 1", "no limit in version 1", "no Linux", "unreadable"],
)
def test_the_share_of_a_container(
    files: dict[str, str], share: float | None, tmp_path: Path
) -> None:
    assert cpu_share(given(tmp_path, **files)) == share


@pytest.mark.parametrize(("quota", "most"), [(1_000, 1), (100_000, 1), (10**9, 10**4)])
def test_a_share_counts_as_cores_and_at_least_as_one(
    quota: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    all_cores = available_cores()
    given(tmp_path, **{"cpu.max": f"{quota} 100000\n"})
    assert available_cores() == min(all_cores, most)


def test_the_cores_of_this_process_without_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert available_cores() == allowed
