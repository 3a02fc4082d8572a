"""Outputs of models as columns of answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shackdoo.training.answers import (
    Reading,
    class_answers,
    class_probabilities,
    plain_answers,
    reading_of,
)

LOGITS, SHARES = Reading(logits=True, binary=False), Reading(logits=False, binary=False)


class Own:
    """A user's own loss that says how it reads outputs."""

    from_logits = True


def losses() -> list[tuple[Any, Reading | None]]:
    keras = pytest.importorskip("keras")
    from shackdoo.training.losses import SmoothedCrossentropy

    return [
        ("sparse_categorical_crossentropy", SHARES),
        (keras.losses.sparse_categorical_crossentropy, SHARES),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), LOGITS),
        (keras.losses.CategoricalCrossentropy(), SHARES),
        (SmoothedCrossentropy(0.1), LOGITS),
        (Own(), LOGITS),
        ("binary_crossentropy", Reading(logits=False, binary=True)),
        (keras.losses.BinaryCrossentropy(from_logits=True), Reading(logits=True, binary=True)),
        ("mse", None),
        (keras.losses.MeanSquaredError(), None),
        (lambda true, predicted: 0.0, None),
    ]


def test_the_loss_tells_whether_and_how_a_model_classifies() -> None:
    for loss, reading in losses():
        assert reading_of(loss) == reading, loss


def test_logits_become_probabilities_whatever_their_size() -> None:
    found = class_probabilities(np.array([[1000.0, 0, -1000], [0, 0, 0]]), LOGITS)
    np.testing.assert_allclose(found, [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)


def test_probabilities_stay_what_they_are() -> None:
    shares = np.array([[0.25, 0.75]], np.float32)
    np.testing.assert_array_equal(class_probabilities(shares, SHARES), shares)


def test_one_output_of_two_classes_is_the_second() -> None:
    found = class_probabilities(np.array([[0.0], [3.0]]), Reading(logits=True, binary=True))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.047426, 0.952574]], rtol=1e-4)


@pytest.mark.parametrize(
    ("outputs", "reading"),
    [
        (np.zeros((2, 3, 4)), LOGITS),
        ({"a": np.zeros((2, 3))}, LOGITS),
        (np.zeros((2, 3)), Reading(logits=True, binary=True)),
    ],
)
def test_outputs_of_another_shape_are_no_classes(outputs: Any, reading: Reading) -> None:
    assert class_probabilities(outputs, reading) is None


def test_labels_are_numbers_or_names() -> None:
    shares = np.array([[0.1, 0.9], [0.8, 0.2]], np.float32)
    numbers = class_answers(shares, range(2))
    assert list(numbers) == ["label", "probability", "0", "1"]
    assert numbers["label"].tolist() == [1, 0]
    assert class_answers(shares, ["cat", "dog"])["label"].tolist() == ["dog", "cat"]
    np.testing.assert_array_equal(numbers["probability"], np.float32([0.9, 0.8]))


def test_plain_outputs_have_a_column_a_number() -> None:
    assert list(plain_answers(np.zeros((2, 1)))) == ["output"]
    assert list(plain_answers(np.zeros((2, 3)))) == ["output_0", "output_1", "output_2"]
    named = plain_answers({"x": np.zeros((2, 1)), "y": np.zeros((2, 2))})
    assert list(named) == ["x", "y_0", "y_1"]
    assert list(plain_answers([np.zeros((2, 1)), np.zeros(2)])) == ["output_0", "output_1"]
