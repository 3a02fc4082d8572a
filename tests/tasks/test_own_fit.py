"""A task whose ``train`` calls the model's own ``fit`` is told once that nothing is kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.catalog import Catalog
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.task import Task, Training
from shackdoo.tasks.mnist import Mnist_A
from shackdoo.training.checkpoints import Checkpoints
from shackdoo.training.dataset import Dataset, Split


class ByLoop(Mnist_A):
    augment = Task.augment

    def build_model(self) -> Any:
        import keras

        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(10)])

    def train(self, loop: Any, dataset: Dataset) -> Any:
        return super().train(loop, dataset)


class ByFit(ByLoop):
    def train(self, loop: Any, dataset: Dataset) -> Any:
        for _ in range(2):
            trained = loop.model.fit(dataset.train.inputs, dataset.train.targets, verbose=0)
        return trained.history


class Notes:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


@pytest.mark.parametrize(("kind", "kept"), [(ByFit, True), (ByFit, False), (ByLoop, True)])
def test_it_is_told_if_checkpoints_are_on(kind: type[Task], kept: bool, tmp_path: Path) -> None:
    project, notes = find_project(), Notes()
    config = compose("train", ["task=Mnist_A", "strategy.xla=false"], project).config
    data = Split(np.ones((128, 4), "float32"), np.ones(128, "int64"))
    kept_in = Checkpoints(tmp_path if kept else None, math.inf, 1, notes.notice)
    task = kind(config, Catalog(config.catalog, project))
    result = task.run(Dataset(data, None, None), notes, Training(kept_in))  # type: ignore[arg-type]
    assert "loss" in result.history
    assert "fit" not in vars(result.model)
    assert notes.notices == [
        "ByFit.train() calls the model's own fit, which keeps no checkpoints: a run that is "
        "stopped begins anew. loop.fit keeps them; checkpoint.seconds=null spares this notice."
    ] * (kind is ByFit and kept)
