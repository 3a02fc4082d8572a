"""Parts of a report come from small arrays, and from none that do not fit."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shackdoo.training.dataset import Dataset, Split
from shackdoo.training.findings import (
    WORST,
    class_indices,
    classification_parts,
    data_parts,
    regression_parts,
)
from shackdoo.training.picture import LARGEST, as_picture, as_png


def pictures(count: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 6), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
def test_a_picture_is_read_back_from_its_png_as_it_was(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(as_png(picture)))) == picture).all()


def test_a_large_picture_is_made_smaller() -> None:
    small = Image.open(io.BytesIO(as_png(np.zeros((1000, 500), np.uint8))))
    assert LARGEST / 2 < small.height <= LARGEST
    assert abs(2 * small.width - small.height) <= 1


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (np.array([1, 0, 2]), [1, 0, 2]),
        (np.array([[1], [0]]), [1, 0]),
        (np.array([1.0, 0.0]), [1, 0]),
        (np.array([[0, 1], [1, 0]]), [1, 0]),
        (np.array([[0.5, 0.5]]), None),
        (np.array([0.5]), None),
        (np.array([-1, 0]), None),
        (np.array(["a"]), None),
        ((np.array([1]), np.array([2])), None),
    ],
)
def test_targets_are_classes_or_not(targets: Any, classes: list[int] | None) -> None:
    found = class_indices(targets)
    assert (found if found is None else found.tolist()) == classes


def test_the_classes_of_each_split_are_counted_and_shown() -> None:
    train = Split(pictures(6), np.array([0, 0, 0, 0, 1, 1]))
    test = Split(pictures(1), np.array([1]))
    balance, examples = data_parts(Dataset(train, None, test), ["no", "yes"], as_picture)
    assert balance["splits"] == {"train": [4, 2], "test": [0, 1]}
    assert [(row["class"], len(row["pictures"])) for row in examples["rows"]] == [
        ("no", 3),
        ("yes", 2),
    ]


def test_inputs_that_are_no_pictures_are_not_shown() -> None:
    train = Split(np.zeros((4, 5)), np.array([0, 1, 0, 1]))
    parts = data_parts(Dataset(train, None, None), range(2), as_picture)
    assert [part["kind"] for part in parts] == ["balance"]


def test_the_surest_mistakes_come_first() -> None:
    true = np.array([0, 0, 1, 1])
    yes = np.array([0.6, 0.9, 0.8, 0.2])
    probabilities = np.stack([1 - yes, yes], axis=1)
    split = Split(pictures(4), true)
    (mistakes,) = classification_parts(split, probabilities, ["no", "yes"], None, as_picture)
    assert (mistakes["wrong"], mistakes["total"]) == (3, 4)
    first, second, third = mistakes["examples"]
    assert [one["position"] for one in (first, second, third)] == [1, 3, 0]
    assert (first["true"], first["predicted"], first["probability"]) == ("no", "yes", 0.9)
    assert first["probability_of_true"] == 0.1
    assert base64.b64decode(first["picture"]) == as_png(split.inputs[1])


def test_not_more_mistakes_are_shown_than_fit_on_a_sheet() -> None:
    split = Split(pictures(100), np.zeros(100, np.int64))
    probabilities = np.tile(np.array([[0.1, 0.9]]), (100, 1))
    counts = np.array([[0, 100], [0, 0]])
    confusion, mistakes = classification_parts(split, probabilities, range(2), counts, as_picture)
    assert confusion == {"kind": "confusion", "classes": ["0", "1"], "counts": counts.tolist()}
    assert [one["position"] for one in mistakes["examples"]] == list(range(WORST))
    assert len(json.dumps(mistakes)) < 20_000


def test_of_numbers_the_errors_are_shown() -> None:
    true = np.arange(1000, dtype=np.float32)
    predicted = true + np.where(true == 7, -50, 1)
    split = Split(np.zeros((1000, 3)), true)
    scatter, errors, worst = regression_parts(split, predicted[:, None], as_picture)
    assert 300 < len(scatter["true"]) == len(scatter["predicted"]) <= 400
    assert sum(errors["counts"]) == 1000
    assert (errors["edges"][0], errors["edges"][-1]) == (-50, 1)
    first = worst["examples"][0]
    assert first == {
        "position": 7,
        "true": 7,
        "predicted": -43,
        "error": -50,
        "picture": None,
    }


@pytest.mark.parametrize(
    "predictions",
    [np.zeros((4, 2)), {"a": np.zeros(4)}, np.array(["a"] * 4), np.full(4, np.nan), np.zeros(3)],
)
def test_an_output_of_another_kind_has_no_parts(predictions: Any) -> None:
    assert regression_parts(Split(np.zeros(4), np.zeros(4)), predictions, as_picture) == []
