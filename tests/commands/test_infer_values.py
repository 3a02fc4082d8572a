"""``shackdoo infer`` with a task that does not classify, on data of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

TASK = '''
from shackdoo.task import Task
from shackdoo.training.dataset import Split


class Line(Task):
    """One number from three."""

    def splits(self, raw):
        cut = len(raw["x"]) // 2
        return Split(raw["x"][:cut], raw["y"][:cut]), Split(raw["x"][cut:], raw["y"][cut:])

    def build_model(self):
        import keras

        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])

    def loss(self):
        return "mse"
'''
YAML = """# @package _global_
experiment: lines
task:
  name: Line
  _target_: lines.Line
  data: line
  parameters: {epochs: 40, batch_size: 10}
optimizer: {learning_rate: 0.05}
"""
CATALOG = "line: {layer: raw, file: data/raw/line.npz, format: npz}\n"


@pytest.fixture
def trained(own_project: Path, shackdoo: Run) -> Path:
    (own_project / "lines.py").write_text(TASK)
    (own_project / "conf" / "task" / "Line.yaml").write_text(YAML)
    (own_project / "conf" / "catalog.yaml").write_text(CATALOG)
    data = own_project / "data" / "raw" / "line.npz"
    data.parent.mkdir(parents=True)
    x = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    np.savez(data, x=x, y=(x @ [1, -2, 3] + 4).astype(np.float32))
    done = shackdoo("train", "task=Line")
    assert done.returncode == 0, done.stderr
    return own_project.parent


def test_numbers_come_out_of_tables_arrays_and_lines(shackdoo: Run, trained: Path) -> None:
    (trained / "t.csv").write_text("a,b,c,y\n1,0,0,5\n0,1,0,2\n0,0,1,7\n1,1\n")
    done = shackdoo("infer", "task=Line", "input=t.csv", "output=o.csv", "label=y")
    assert done.returncode == 1, done.stderr
    table = pd.read_csv(trained / "o.csv")
    assert list(table) == ["input", "output"]
    np.testing.assert_allclose(table["output"], [5, 2, 7], atol=0.3)
    error = np.abs(table["output"] - [5, 2, 7]).mean()
    assert f"mean_absolute_error {error:.4f} of 3 whose truth is known" in done.stdout
    rejects = pd.read_csv(trained / "o.rejects.csv")
    assert list(rejects["reason"]) == ["it has 2 columns beside the label, not 3"]

    (trained / "x.jsonl").write_text("[1, 0, 0]\n[1, 2]\n[[1, 2, 3]]\n[0, 0, 1]\n")
    done = shackdoo("infer", "input=x.jsonl", "output=p.jsonl")
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in (trained / "p.jsonl").read_text().splitlines()]
    np.testing.assert_allclose([line["output"] for line in lines], [5, 7], atol=0.3)
    reasons = list(pd.read_csv(trained / "p.rejects.csv")["reason"])
    assert reasons == ["its shape is 2; the model takes 3", "its shape is 1 x 3; the model takes 3"]


def test_a_catalog_s_data_are_split_as_in_training(shackdoo: Run, trained: Path) -> None:
    done = shackdoo("infer", "task=Line", "input=line", "output=o.npz")
    assert done.returncode == 0, done.stderr
    assert "inputs          200" in done.stdout
    assert "as read         3, float32: 200" in done.stdout
    done = shackdoo("infer", "task=Line", "input=line", "split=train", "output=-")
    assert len(done.stdout.splitlines()) == 201
