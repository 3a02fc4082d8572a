"""What a task's report shows follows from its loss and its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shackdoo.catalog import Catalog
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.task import Task
from shackdoo.tasks.mnist import Mnist_A
from shackdoo.training.dataset import Dataset, Split
from shackdoo.training.loop import Evaluation

COUNT = 30
PICTURES = np.zeros((COUNT, 4, 4), np.uint8)
CLASSES = np.arange(COUNT) % 3


class Named(Mnist_A):
    def loss(self) -> Any:
        return "sparse_categorical_crossentropy"

    def class_names(self) -> list[str]:
        return ["cat", "dog", "owl"]


class Binary(Mnist_A):
    def loss(self) -> Any:
        return "binary_crossentropy"


class OneHot(Named):
    def loss(self) -> Any:
        return "categorical_crossentropy"


class Price(Mnist_A):
    def loss(self) -> Any:
        return "mse"


class Noted(Price):
    def report_parts(self, dataset: Dataset, test: Evaluation | None) -> list[dict[str, Any]]:
        note = {"kind": "text", "title": "Note", "text": "beware"}
        return [*super().report_parts(dataset, test), note]


def kinds(of: type[Task], targets: Any, predictions: Any) -> list[str]:
    project = find_project()
    config = compose("train", ["task=Mnist_A"], project).config
    task = of(config, Catalog(config.catalog, project))
    split = Split(PICTURES, targets)
    test = None if predictions is None else Evaluation({}, predictions)
    parts = task.report_parts(Dataset(split, None, None if test is None else split), test)
    return [part["kind"] for part in parts]


SURE = np.eye(3, dtype=np.float32)[CLASSES]
DATA = ["balance", "examples"]


@pytest.mark.parametrize(
    ("task", "targets", "predictions", "shown"),
    [
        (Named, CLASSES, SURE, [*DATA, "confusion", "mistakes"]),
        (Named, CLASSES, None, DATA),
        (OneHot, np.eye(3)[CLASSES], SURE, [*DATA, "mistakes"]),
        (Binary, CLASSES % 2, np.full((COUNT, 1), 0.9, np.float32), [*DATA, "mistakes"]),
        (Named, CLASSES, {"a": SURE}, DATA),
        (Price, np.arange(30.0), np.ones((COUNT, 1)), ["scatter", "errors", "worst_errors"]),
        (Price, np.ones((COUNT, 5)), np.ones((COUNT, 5)), []),
        (Price, np.arange(30.0), None, []),
        (Noted, np.ones((COUNT, 5)), np.ones((COUNT, 5)), ["text"]),
    ],
)
def test_parts(task: type[Task], targets: Any, predictions: Any, shown: list[str]) -> None:
    assert kinds(task, targets, predictions) == shown


def test_names_of_classes_must_be_as_many_as_the_model_has() -> None:
    from shackdoo.errors import RunError

    class Named(Task):
        def class_names(self) -> list[str]:
            return ["circle", "square"]

    task = Named.__new__(Named)
    assert task.classes(2) == ["circle", "square"]
    with pytest.raises(RunError, match=r"has 2 names, but the model tells 10 classes apart"):
        task.classes(10)
