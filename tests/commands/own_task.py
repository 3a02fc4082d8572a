"""A small task of a user's own, in a repository of its own: trained in a moment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np

NET = '''
"""The network of the user's own task."""

WIDTH = 4
'''
TASK = '''
"""A task of the user's own."""

import own_net

from shackdoo.task import Task


class Line(Task):
    """A small net on four numbers."""

    def splits(self, raw):
        """Return what to train and to test on."""
        from shackdoo.training.dataset import Split

        return Split(raw["x"][20:], raw["y"][20:]), Split(raw["x"][:20], raw["y"][:20])

    def build_model(self):
        """Return the net."""
        import keras

        first = keras.Input((4,))
        x = keras.layers.Dense(own_net.WIDTH, activation="tanh")(first)
        return keras.Model(first, keras.layers.Dense(1)(x))

    def loss(self):
        """Return the squared error."""
        return "mse"


class Child(Line):
    """The same."""
'''
CATALOG = """
line:
  layer: raw
  file: data/raw/line.npz
  format: npz
  sha256: null
  source: null
"""
YAML = """# @package _global_
experiment: own
task:
  name: Child
  _target_: own_task.Child
  data: line
  parameters: {epochs: 3, batch_size: 20}
report: {page: false}
"""


def git(folder: Path, *arguments: str) -> str:
    names = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **dict.fromkeys(names, "a@b.org")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def write_project(root: Path) -> None:
    """Write the project and commit it."""
    for name, text in (
        ("own_net.py", NET),
        ("own_task.py", TASK),
        ("conf/catalog.yaml", CATALOG),
        ("conf/task/Child.yaml", YAML),
        (".gitignore", "*.db*\nmlruns/\ndata/\n__pycache__/\n"),
        ("MLproject", "name: own\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_data(root)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, "all")


def write_data(root: Path, seed: int = 0) -> Path:
    """Write the data, which git ignores."""
    file = root / "data" / "raw" / "line.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).normal(size=(200, 4)).astype("float32")
    np.savez(file, x=x, y=x.sum(axis=1, keepdims=True))
    return file


def commit(root: Path, message: str) -> str:
    """Commit everything; return the commit."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(root, "rev-parse", "HEAD")
