"""The likeliest cause comes first, whatever else differs that can hardly change a result."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from shackdoo.provenance.compare import (
    Difference,
    all_differences,
    differences,
    unknown_parts,
)
from shackdoo.provenance.ranking import Rank, rank, ranked, table

SHA = "0123456789abcdef" * 4
MANIFEST: dict[str, Any] = {
    "config": {
        "seed": 1,
        "experiment": "a",
        "task": {
            "name": "Digits",
            "_target_": "digits.tasks.Digits",
            "data": "mnist",
            "parameters": {"epochs": 1, "sizes": [1, 2]},
        },
        "optimizer": {"_target_": "keras.optimizers.Adam", "learning_rate": 0.1},
        "callbacks": {"stop": {"patience": 1}, "plateau": {"factor": 0.5}},
        "catalog": {"mnist": {"file": "a.pkl", "description": "digits"}},
        "determinism": {"enabled": True, "threads": None},
        "strategy": {"name": "single", "devices": 1, "xla": True},
        "init_from": None,
        "api_key": "***",
    },
    "redacted": ["api_key"],
    "config_digest": "c0",
    "code": {
        "classes": {"digits.tasks": "aa", "digits.base": "bb"},
        "modules": {
            "digits/__init__.py": "00",
            "digits/tasks.py": "aa",
            "digits/base.py": "bb",
            "digits/layers.py": "cc",
            "shackdoo/training/loop.py": "dd",
            "shackdoo/commands/runs.py": "ee",
            "task_0123456789ab.py": "ff",
        },
    },
    "data": {"mnist": {"path": "/x", "sha256": SHA}},
    "environment": {
        "python": "3.11.7",
        "image": "sha256:1",
        "packages": {
            "tensorflow": "2.21.0",
            "numpy": "2.4.6",
            "ml_dtypes": "0.5.4",
            "pytest": "9.0.0",
            "einops": "0.8.0",
        },
        "variables": {"TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory=/a", "TF_OTHER": "1"},
    },
    "machine": {
        "architecture": "x86_64",
        "cpu_flags": ["avx2", "avx512f", "sse4_2", "smap"],
        "gpus": [],
    },
    "determinism": {"enabled": True, "threads_used": 2, "devices_used": 1, "xla_used": True},
    "init_from": {"run": "r1", "weights_sha256": "w1"},
    "seed": 1,
}


def changed(*changes: tuple[str, Any], manifest: dict[str, Any] = MANIFEST) -> dict[str, Any]:
    """Return the manifest with values put at paths of ``key|key``; a value None takes one out."""
    result = copy.deepcopy(manifest)
    for path, value in changes:
        part: Any = result
        *parents, last = path.split("|")
        for key in parents:
            part = part[key]
        if value is None:
            del part[last]
        else:
            part[last] = value
    return result


# What hardly changes a result; a cause is told before all of it.
NOISE = (
    ("environment|packages|pytest", "9.1.0"),
    ("environment|packages|added", "1.0"),
    ("environment|variables|TF_OTHER", "2"),
    ("code|modules|shackdoo/commands/runs.py", "e1"),
    ("config|catalog|mnist|description", "written digits"),
)


@pytest.mark.parametrize(
    "path, to, ingredient, name",
    [
        ("config|task|parameters|epochs", 2, "config", "task.parameters.epochs"),
        ("config|optimizer|learning_rate", 0.2, "config", "optimizer.learning_rate"),
        ("config|task|data", "other", "config", "task.data"),
        ("config|seed", 2, "seed", "seed"),
        ("data|mnist|sha256", "f" * 64, "data", "mnist"),
        ("init_from|weights_sha256", "w2", "data", "init_from"),
        ("code|modules|digits/tasks.py", "a1", "code", "digits/tasks.py"),
        ("code|modules|digits/base.py", "b1", "code", "digits/base.py"),
        ("code|modules|digits/layers.py", "c1", "code", "digits/layers.py"),
        ("code|modules|digits/untracked.py", "c1", "code", "digits/untracked.py"),
        ("code|modules|shackdoo/training/loop.py", "d1", "code", "shackdoo/training/loop.py"),
        ("config|determinism|threads", 2, "determinism", "determinism.threads"),
        ("determinism|threads_used", 4, "determinism", "threads_used"),
        ("determinism|xla_used", False, "determinism", "xla_used"),
        ("config|strategy|xla", False, "determinism", "strategy.xla"),
        ("config|determinism|enabled", False, "determinism", "determinism.enabled"),
        ("environment|packages|tensorflow", "2.22.0", "environment", "tensorflow"),
        ("environment|packages|ml_dtypes", "0.5.5", "environment", "ml_dtypes"),
        ("environment|packages|einops", "0.9.0", "environment", "einops"),
        (
            "environment|variables|TF_ENABLE_ONEDNN_OPTS",
            "0",
            "environment",
            "TF_ENABLE_ONEDNN_OPTS",
        ),
        ("environment|variables|KERAS_BACKEND", "jax", "environment", "KERAS_BACKEND"),
        ("environment|image", "sha256:2", "environment", "image"),
        ("environment|python", "3.12.1", "environment", "Python"),
        ("machine|cpu_flags", ["avx2", "sse4_2", "smap"], "machine", "cpu_flags"),
        ("machine|gpus", [{"name": "H100"}], "machine", "gpus"),
    ],
)
def test_the_cause_is_named_first(path: str, to: Any, ingredient: str, name: str) -> None:
    if path == "config|determinism|threads":  # asked for otherwise, and computed otherwise
        first, second = MANIFEST, changed((path, to), ("determinism|threads_used", 4), *NOISE)
    elif path == "config|strategy|xla":
        first, second = MANIFEST, changed((path, to), ("determinism|xla_used", False), *NOISE)
    else:
        first, second = MANIFEST, changed((path, to), *NOISE)
    assert [each.name for each in all_differences(MANIFEST, changed((path, to)))] == [name]
    for one, other in ((first, second), (second, first)):
        found = ranked(all_differences(one, other))
        assert (found[0].ingredient, found[0].name) == (ingredient, name)


def test_the_order_of_causes() -> None:
    second = changed(
        ("machine|cpu_flags", ["avx2", "sse4_2"]),
        ("environment|packages|einops", "0.9.0"),
        ("environment|packages|numpy", "2.5.0"),
        ("determinism|threads_used", 4),
        ("code|modules|shackdoo/training/loop.py", "d1"),
        ("code|modules|digits/layers.py", "c1"),
        ("code|modules|digits/base.py", "b1"),
        ("data|mnist|sha256", "f" * 64),
        ("config|seed", 2),
        ("config|optimizer|learning_rate", 0.2),
        ("config|task|_target_", "digits.base.Base"),
        *NOISE,
    )
    found = [each.name for each in ranked(all_differences(MANIFEST, second))]
    assert found == [
        *("task._target_", "optimizer.learning_rate", "seed", "mnist", "digits/base.py"),
        *("digits/layers.py", "shackdoo/training/loop.py", "threads_used", "numpy"),
        *("cpu_flags", "einops"),
        *("shackdoo/commands/runs.py", "catalog.mnist.description", "TF_OTHER"),
        *("pytest", "added"),
    ]


def test_callbacks_in_another_order_and_a_hidden_value() -> None:
    order = dict(reversed(MANIFEST["config"]["callbacks"].items()))
    (found,) = all_differences(
        MANIFEST, changed(("config|callbacks", order), ("config_digest", "c1"))
    )
    assert str(found) == (
        "config: callbacks (their order) was ['stop', 'plateau'], is ['plateau', 'stop']"
    )
    assert rank(found) == Rank.PARAMETER
    (found,) = all_differences(MANIFEST, changed(("config_digest", "c1")))
    assert str(found) == "config: hidden value of api_key was c0, is c1"


def test_a_switch_that_changed_nothing_is_the_last() -> None:
    (found,) = differences(MANIFEST, changed(("config|determinism|threads", 2)))
    assert (found.name, rank(found)) == ("determinism.threads", Rank.IDLE)


def test_cpu_flags_that_no_kernel_asks_for_are_the_last() -> None:
    (found,) = differences(MANIFEST, changed(("machine|cpu_flags", ["avx2", "avx512f", "sse4_2"])))
    assert rank(found) == Rank.IDLE
    assert table([found]) == [("machine cpu_flags", "smap", "-")]


def test_code_of_a_notebook_is_one_module() -> None:
    second = changed(
        ("code|modules|task_0123456789ab.py", None), ("code|modules|task_ffffffffffff.py", "f1")
    )
    (found,) = differences(MANIFEST, second)
    assert (str(found), rank(found)) == ("code: __main__ has changed", Rank.TASK_CODE)


def test_an_inference_is_compared_by_inputs_and_weights() -> None:
    answered = changed(
        ("trained_run", "w1"),
        ("data", {"a.npy": {"path": "/a.npy", "sha256": SHA}}),
        ("config|input", "a.npy"),
    )
    other = changed(
        ("trained_run", "w2"),
        ("data", {"b.npy": {"path": "/b.npy", "sha256": SHA}}),
        ("config|input", "b.npy"),
        ("config_digest", "c1"),
        manifest=answered,
    )
    assert [str(each) for each in differences(answered, other)] == ["data: trained_run has changed"]
    other["data"]["b.npy"]["sha256"] = "f" * 64
    assert [each.name for each in ranked(differences(answered, other))] == ["trained_run", "inputs"]


@pytest.mark.parametrize(
    "path",
    ["code|modules", "code", "config", "data", "environment|packages", "environment", "machine"],
)
def test_what_a_manifest_does_not_tell_is_unknown(path: str) -> None:
    without = changed((path, None))
    for one, other in ((MANIFEST, without), (without, MANIFEST)):
        assert [each for each in differences(one, other) if each.ingredient != "seed"] == []
    assert any(part.startswith(path.replace("|", ".")) for part in unknown_parts(without))
    assert unknown_parts(MANIFEST) == []
    assert differences({}, {}) == []


def test_a_table_has_short_values() -> None:
    rows = table(
        [
            Difference("data", "mnist", SHA, None),
            Difference("seed", "seed", 1, 2),
            Difference("config", "task.note", "a\x1b[31m" + "x" * 99, True),
        ]
    )
    assert rows[0] == ("data mnist", "0123456789ab", "-")
    assert rows[1] == ("seed", "1", "2")
    assert rows[2][1].startswith("a?[31mxxx") and rows[2][1].endswith("x…")
    assert (len(rows[2][1]), rows[2][2]) == (44, "true")
