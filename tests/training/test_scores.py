"""How good answers are, counted batch by batch."""

from __future__ import annotations

import numpy as np
import pytest

from shackdoo.training.answers import Answers, class_answers
from shackdoo.training.scores import ClassScores, ValueScores


def answers(*shares: list[float], names: tuple[str, ...] = ("cat", "dog")) -> Answers:
    return class_answers(np.array(shares, np.float32), names)


def test_accuracy_confusion_and_the_surest_mistakes() -> None:
    scores = ClassScores(["cat", "dog"], worst=1)
    raw = np.arange(4)
    said = answers([0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7])
    assert scores.add(list("abcd"), ["cat", "cat", "dog", None], said, raw) == []
    assert scores.metrics() == {"accuracy": pytest.approx(1 / 3), "known": 3}
    counts = scores.confusion()
    assert counts is not None
    assert counts.tolist() == [[1, 1], [1, 0]]
    (worst,) = scores.mistakes()
    assert (worst.name, worst.true, worst.answer) == ("c", "dog", "cat")
    assert worst.probability == pytest.approx(0.8)
    assert worst.raw == 2


def test_batches_add_up() -> None:
    scores = ClassScores(["cat", "dog"], worst=5)
    for _ in range(3):
        scores.add(["a"], ["dog"], answers([0.9, 0.1]), np.zeros(1))
    assert scores.metrics() == {"accuracy": 0.0, "known": 3}
    assert len(scores.mistakes()) == 3


def test_classes_that_are_numbers_are_known_in_every_guise() -> None:
    scores = ClassScores(range(3), worst=0)
    said = class_answers(np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 2]], range(3))
    assert scores.add(list("abcde"), [0, "1", 2.0, "2.0", " 2"], said, np.zeros(5)) == []
    assert scores.metrics() == {"accuracy": 1.0, "known": 5}
    assert scores.mistakes() == []


def test_labels_that_are_no_class_are_told_and_not_counted() -> None:
    scores = ClassScores(["cat", "dog"], worst=3)
    said = answers([0.9, 0.1], [0.9, 0.1])
    assert scores.add(["a", "b"], ["bird", "cat"], said, np.zeros(2)) == [0]
    assert scores.metrics()["known"] == 1
    assert ClassScores(["cat"], 3).metrics() == {}
    assert ClassScores(["cat"], 3).confusion() is None


def test_errors_of_one_number() -> None:
    scores = ValueScores(worst=1)
    column = {"output": np.array([1.0, 2.0, 5.0])}
    assert scores.add(list("abc"), [1, "4", "many"], column, np.zeros(3)) == [2]
    assert scores.metrics() == {
        "mean_absolute_error": 1.0,
        "root_mean_squared_error": pytest.approx(2**0.5),
        "known": 2,
    }
    (worst,) = scores.mistakes()
    assert (worst.name, worst.answer, worst.true) == ("b", "2", "4")


def test_numbers_stand_for_names_where_data_hold_numbers() -> None:
    scores = ClassScores(["cat", "dog"], worst=0)
    assert scores.add(["a", "b"], [0, "1"], answers([0.9, 0.1], [0.9, 0.1]), np.zeros(2)) == []
    assert scores.metrics() == {"accuracy": 0.5, "known": 2}
