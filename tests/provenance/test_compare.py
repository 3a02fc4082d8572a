"""What has changed since a run was recorded, ingredient by ingredient."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from shackdoo.provenance.compare import differences

MANIFEST: dict[str, Any] = {
    "config": {"seed": 1, "experiment": "a", "task": {"parameters": {"epochs": 1}}},
    "config_digest": "c0",
    "code": {"modules": {"shackdoo/task.py": "aa", "digits.py": "bb"}},
    "data": {"mnist": {"path": "/x", "sha256": "dd"}},
    "environment": {
        "python": "3.11.7",
        "packages": {"numpy": "2.4.6", "keras": "3.15.1"},
        "variables": {"TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory=/a"},
    },
    "machine": {"architecture": "x86_64", "cpu_flags": ["avx2"], "gpus": [], "hostname": "here"},
}


def changed(*path: str, to: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(MANIFEST)
    part: Any = manifest
    for key in path[:-1]:
        part = part[key]
    if to is None:
        del part[path[-1]]
    else:
        part[path[-1]] = to
    return manifest


def test_nothing() -> None:
    assert differences(MANIFEST, copy.deepcopy(MANIFEST)) == []


@pytest.mark.parametrize(
    "path, to, said",
    [
        (("config", "seed"), 2, "seed: was 1, is 2"),
        (
            ("config", "task", "parameters", "epochs"),
            3,
            "config: task.parameters.epochs was 1, is 3",
        ),
        (("config_digest",), "c1", "config: config_digest was c0, is c1"),
        (("code", "modules", "digits.py"), "b1", "code: digits.py has changed"),
        (("code", "modules", "digits.py"), None, "code: digits.py is gone"),
        (("code", "modules", "new.py"), "ee", "code: new.py is new"),
        (("data", "mnist", "sha256"), "d1", "data: mnist has changed"),
        (
            ("environment", "packages", "numpy"),
            "2.5.0",
            "environment: numpy was 2.4.6, is 2.5.0",
        ),
        (("environment", "packages", "keras"), None, "environment: keras was 3.15.1, is not there"),
        (("environment", "python"), "3.12.1", "environment: Python was 3.11.7, is 3.12.1"),
        (
            ("environment", "variables", "TF_ENABLE_ONEDNN_OPTS"),
            "0",
            "environment: TF_ENABLE_ONEDNN_OPTS was not there, is 0",
        ),
        (("machine", "cpu_flags"), ["avx"], "machine: cpu_flags was ['avx2'], is ['avx']"),
    ],
)
def test_one_thing(path: tuple[str, ...], to: Any, said: str) -> None:
    assert [str(each) for each in differences(MANIFEST, changed(*path, to=to))] == [said]


@pytest.mark.parametrize(
    "path, to",
    [
        (("config", "experiment"), "b"),
        (("data", "mnist", "path"), "/y"),
        (("environment", "packages", "pytest"), "9.0"),
        (
            ("environment", "variables"),
            {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
        ),
        (("machine", "hostname"), "there"),
    ],
)
def test_what_no_result_depends_on(path: tuple[str, ...], to: Any) -> None:
    assert differences(MANIFEST, changed(*path, to=to)) == []
