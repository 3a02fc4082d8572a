"""Contents of reports, made of small arrays by the parts that make those of real runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from shackdoo.commands.report_content import report_content
from shackdoo.report.content import Content
from shackdoo.training.dataset import Dataset, Split
from shackdoo.training.findings import classification_parts, data_parts, regression_parts
from shackdoo.training.picture import as_picture

EVIL = "<script>alert('x')</script>&\"'"
CHANGES = [
    {"key": "task.parameters.epochs", "old": [1], "new": [3], "typed": True},
    {"key": "optimizer.nesterov", "old": [], "new": [False], "typed": False},
]


def split(count: int, classes: int) -> Split:
    rng = np.random.default_rng(count)
    pictures = rng.integers(0, 256, (count, 12, 12), dtype=np.uint8)
    return Split(pictures, np.arange(count) % classes)


def class_parts(names: list[str], count: int = 120) -> list[dict[str, Any]]:
    """Parts of a classifier that is right about two times in three."""
    train, test = split(2 * count, len(names)), split(count, len(names))
    given = np.where(np.arange(count) % 3 == 0, (test.targets + 1) % len(names), test.targets)
    probabilities = np.full((count, len(names)), 0.1 / (len(names) - 1))
    probabilities[np.arange(count), given] = 0.9
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (test.targets, given), 1)
    parts = data_parts(Dataset(train, None, test), names, as_picture)
    return parts + classification_parts(test, probabilities, names, counts, as_picture)


def value_parts(count: int = 200) -> list[dict[str, Any]]:
    """Parts of a model of one number."""
    pictures = split(count, 2).inputs
    true = np.linspace(-5, 5, count)
    return regression_parts(Split(pictures, true), true + np.sin(7 * true), as_picture)


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "overrides": ["task=Mnist_B", "+tags.note='two words; $HOME'"],
        "config": {"seed": 42, "task": {"parameters": {"epochs": 3}}, "tag": "x"},
        "config_digest": "c" * 64,
        "code": {
            "commit": "a" * 40,
            "dirty": True,
            "remote": "https://example.com/digits.git",
            "untracked": ["new.py"],
            "diff_sha256": "d" * 64,
        },
        "data": {"mnist": {"path": "/data/mnist", "sha256": "e" * 64, "train": ["uint8[60, 2]"]}},
        "environment": {"python": "3.11.7", "packages": {"keras": "3.15.1", "other": "1"}},
        "machine": {
            "hostname": "host",
            "cpu": None,
            "architecture": "x86_64",
            "cores": 2,
            "memory": 2**34,
            "gpus": [],
        },
        "determinism": {"enabled": True, "threads": None, "xla": True, "threads_used": 2},
        "seed": 42,
        "seconds": {"open": 0.1, "import": 2.0, "run": 7.9},
        "results": {"weights": {"sha256": "f" * 64}, "predictions_sha256": "9" * 64},
        **changes,
    }


def content(**changes: Any) -> Content:
    """Content of a finished run; ``run`` changes some of its facts."""
    facts = {
        "uid": "0123456789abcdef0123456789abcdef",
        "name": "Mnist_B-01234567",
        "kind": "",
        "experiment": "mnist",
        "tag": "Mnist_B",
        "tags": {"note": "two words"},
        "task": "Mnist_B",
        "doc": "Mnist_A tuned.",
        "lineage": ["Mnist_B", "Mnist_A", "Task"],
        "hooks": [],
        "status": "FINISHED",
        "error": None,
        "started": 1_795_531_080_307,
        "ended": 1_795_531_096_632,
        **changes.pop("run", {}),
    }
    history = {
        "loss": [0.9, 0.5, 0.4],
        "accuracy": [0.7, 0.8, 0.9],
        "val_loss": [0.8, 0.4, 0.45],
        "val_accuracy": [0.75, 0.88, 0.87],
        "epoch_seconds": [1.0, 1.1, 1.0],
        "examples_per_second": [900.0, 1000.0, 950.0],
    }
    fields: dict[str, Any] = {
        "language": "en",
        "best": {"metric": "val_accuracy", "mode": "max"},
        "history": history,
        "metrics": {k: v[-1] for k, v in history.items()} | {"test_accuracy": 0.86},
        "parts": class_parts([str(n) for n in range(10)]),
        "parent": {"parent": "Mnist_A", "skipped": [], "changes": CHANGES, "error": None},
        "manifest": manifest(),
    }
    return report_content(facts, **{**fields, **changes})


def evil_content() -> Content:
    """The same with markup in everything that a user names."""
    names = ["run", "name", "experiment", "tag", "task", "doc", "error"]
    facts = dict.fromkeys(names[1:], EVIL) | {"tags": {EVIL: EVIL}, "hooks": [EVIL]}
    changes = [{"key": EVIL, "old": [EVIL], "new": [EVIL], "typed": True}]
    return content(
        run={**facts, "lineage": [EVIL], "status": "FAILED"},
        history={EVIL: [1.0, 2.0]},
        metrics={EVIL: 2.0},
        parts=[
            *class_parts([EVIL, "b"]),
            {"kind": "table", "title": EVIL, "columns": [EVIL], "rows": [[EVIL]]},
            {"kind": "text", "title": EVIL, "text": EVIL},
        ],
        parent={"parent": EVIL, "skipped": [EVIL], "changes": changes, "error": None},
        manifest=manifest(overrides=[EVIL], data={EVIL: {"sha256": EVIL, "train": [EVIL]}}),
    )
