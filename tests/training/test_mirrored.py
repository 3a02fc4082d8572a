"""Two devices give what one gives on the same batches; what they can't is told or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.training.devices import unshared_argument, unshared_batch

SCRIPT = Path(__file__).with_name("two_devices.py")
WITHOUT_GPU = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}


def outcomes(cache: Path, devices: int, *cases: str) -> Any:
    """What ``two_devices.py`` prints, from a process of its own."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(cache), str(devices), *cases],
        capture_output=True,
        text=True,
        timeout=900,
        env=WITHOUT_GPU,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def found(told: Any, case: str) -> Any:
    """What a case came to, unless it failed."""
    assert "failed" not in told[case], told[case]["failed"]
    return told[case]["found"]


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Give what a case found; they share processes, which take seconds to start."""
    cache = tmp_path_factory.mktemp("cache")
    told = outcomes(cache, 2, *(case for case in CASES if case != DOUBLE), *OTHERS)
    told |= outcomes(cache, 2, DOUBLE)
    return lambda case: found(told, case)


SIX_DIGITS = 1e-6
CASES = {
    "partial_batches": SIX_DIGITS,
    "example_weights": SIX_DIGITS,
    "augmentation": SIX_DIGITS,
    "moving_average": SIX_DIGITS,
    "callbacks": SIX_DIGITS,
    "two_outputs": SIX_DIGITS,
    "mnist_a": 1e-12,
}
DOUBLE = "mnist_a"  # computes in double precision, which is a setting of the process
OTHERS = "state_read_and_put_back", "copies", "draws", "evaluation", "notices", "refusals"


@pytest.mark.parametrize("case", CASES)
def test_two_devices_give_the_losses_of_one(case: str, two_devices: Callable[[str], Any]) -> None:
    one, two = two_devices(case)
    assert (
        one.keys() == two.keys() >= {"loss", "val_loss", *(["test_loss"] if case == DOUBLE else [])}
    )
    for name, values in one.items():
        assert two[name] == pytest.approx(values, rel=CASES[case], abs=1e-9), name
    assert one["loss"][0] != pytest.approx(one["loss"][-1], rel=1e-2)  # it did learn


def test_state_that_is_read_and_put_back_changes_no_bit(two_devices: Callable[[str], Any]) -> None:
    plain, put_back = two_devices("state_read_and_put_back")
    assert plain == put_back


def test_sums_of_three_devices_are_put_back_to_the_bit(tmp_path: Path) -> None:
    for kept, put_back in found(outcomes(tmp_path, 3, "sums_put_back"), "sums_put_back"):
        assert kept == put_back


def test_the_devices_hold_the_same(two_devices: Callable[[str], Any]) -> None:
    equal = dict(two_devices("copies"))
    assert any("seed_generator_state" in path for path in equal)
    assert any("moving_mean" in path for path in equal)
    assert all(equal.values()), equal


def test_each_device_has_dropout_of_its_own(two_devices: Callable[[str], Any]) -> None:
    reached = two_devices("draws")
    assert set(reached) == {0.0, 1.0, 2.0}  # by none, by one, by both


def test_evaluation_returns_one_row_an_example_in_order(two_devices: Callable[[str], Any]) -> None:
    done = two_devices("evaluation")
    one, two = (np.array(rows) for rows in done["outputs"])
    assert one.shape == (83, 4)
    np.testing.assert_allclose(two, one, rtol=SIX_DIGITS, atol=SIX_DIGITS)
    one, two = done["metrics"]
    assert two == pytest.approx(one, rel=SIX_DIGITS)


def test_what_is_not_as_on_one_device_is_told(two_devices: Callable[[str], Any]) -> None:
    told = two_devices("notices")
    without_xla, alone = told["notices"]
    assert "trains without XLA" in without_xla
    assert told["xla"] is False
    assert "The layer 'alone' (BatchNormalization)" in alone
    assert "BatchNormalization(synchronized=True) in build_model()" in alone


def test_what_several_devices_cannot_do_is_refused(two_devices: Callable[[str], Any]) -> None:
    told = two_devices("refusals")
    held, adding, clipped, scaled, summed, outside, batch, evaluation, no_gpus, late = told
    assert "The layer 'held' has an activity_regularizer" in held
    assert "The layer 'adding' adds a loss of its own (add_loss)" in adding
    assert clipped == scaled
    assert (
        "optimizer.clipnorm is 1.0, which Keras does not apply to the gradients of all" in clipped
    )
    assert "The loss 'summed' has reduction='sum'" in summed
    assert "Use reduction='sum_over_batch_size'" in summed
    assert "The variable 'outside/" in outside
    assert "Make optimizer and metrics in compile_model() or metrics()" in outside
    assert "batch_size is 15, which 2 devices can't share equally" in batch
    assert "Choose a multiple of 2, such as 14 or 16." in batch
    assert "evaluation_batch_size is 1, which 2 devices can't share equally" in evaluation
    assert "such as 2." in evaluation
    assert "strategy.devices is null, which means all GPUs, but TensorFlow finds none" in no_gpus
    assert "has 2 device(s) in this process already and can't change to 3." in late


def test_what_can_be_shared() -> None:
    assert unshared_batch("batch_size", 128, 2) is None
    assert unshared_argument({"beta_1": 0.9, "clipnorm": None}) is None
