"""Order, seeds and splits are pure functions of their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from shackdoo.errors import DataError
from shackdoo.training.dataset import Split, hold_out
from shackdoo.training.order import epoch_order, step_seeds


def test_an_epoch_visits_each_example_once_and_epochs_differ() -> None:
    first, second = epoch_order(100, seed=3, epoch=0), epoch_order(100, seed=3, epoch=1)
    assert sorted(first) == list(range(100))
    assert (first != second).any()
    np.testing.assert_array_equal(first, epoch_order(100, seed=3, epoch=0))
    assert (first != epoch_order(100, seed=4, epoch=0)).any()


def test_a_steps_seed_does_not_depend_on_where_one_starts() -> None:
    whole = step_seeds(0, 10, seed=3, epoch=2)
    np.testing.assert_array_equal(whole[4:], step_seeds(4, 10, seed=3, epoch=2))
    assert len({tuple(seed) for seed in whole}) == 10
    assert (whole != step_seeds(0, 10, seed=3, epoch=1)).any()


def test_hold_out_parts_are_disjoint_and_whole() -> None:
    split = Split(np.arange(50), np.arange(50) * 2)
    train, validation = hold_out(split, 0.1, seed=1)
    assert validation is not None
    assert (len(train), len(validation)) == (45, 5)
    assert sorted([*train.inputs, *validation.inputs]) == list(range(50))
    np.testing.assert_array_equal(train.targets, train.inputs * 2)
    assert hold_out(split, 0.0, seed=1) == (split, None)


def test_split_refuses_parts_of_different_length() -> None:
    with pytest.raises(DataError, match=r"differ in their number of examples: \[3, 4\]"):
        Split(np.zeros(3), np.zeros(4))


def test_class_weights_follow_the_labels() -> None:
    split = Split(np.zeros((4, 2)), np.array([0, 1, 2, 1])).weighted({1: 5.0, 2: 0.5})
    np.testing.assert_array_equal(split.weights, np.float32([1, 5, 0.5, 5]))
    one_hot = Split(np.zeros((2, 2)), np.eye(3)[[2, 0]]).weighted({2: 4.0})
    np.testing.assert_array_equal(one_hot.weights, np.float32([4, 1]))
    with pytest.raises(DataError, match="Class weights need one target"):
        Split(np.zeros(2), {"a": np.zeros(2)}).weighted({0: 1.0})
