"""What a reproduction comes to: bits decide, another machine leaves it open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from shackdoo.commands.verdict import EXIT, Verdict
from shackdoo.provenance.compare import Difference
from shackdoo.provenance.outcome import Outcome, effect

CPU = Difference("machine", "cpu_flags", ["avx2"], ["avx2", "avx512f"])
LINE = Difference("code", "shackdoo/tasks/mnist.py", "a" * 64, "b" * 64)


def outcome(
    weights: str | None = "w" * 64,
    accuracy: float = 0.99,
    loss: Sequence[float] = (0.3, 0.2),
    arrays: Mapping[str, str] | None = None,
) -> Outcome:
    return Outcome(
        weights=weights,
        arrays=arrays or {"0 conv/kernel": "1", "1 dense/kernel": "2"},
        predictions="p" * 64,
        metrics={"test_accuracy": accuracy},
        curves={"loss": dict(enumerate(loss, 1))},
    )


def verdict(first: Outcome, second: Outcome, *found: Difference) -> Verdict:
    return Verdict("1234", found, effect(first, second), first, second)


def test_identical() -> None:
    found = verdict(outcome(), outcome())
    assert (found.word, EXIT[found.word]) == ("identical", 0)
    assert found.headline() == "identical: weights, predictions and metrics are bit-identical"
    assert {row[3] for row in found.rows()} == {"yes"}


def test_what_differs_without_effect_is_said() -> None:
    found = verdict(outcome(), outcome(), LINE)
    assert found.word == "identical"
    assert found.headline().endswith(
        "; without effect differs code: shackdoo/tasks/mnist.py has changed"
    )


def test_other_numbers_name_where_they_part_and_why() -> None:
    found = verdict(outcome(), outcome("v" * 64, 0.98, (0.3, 0.25)), LINE)
    assert (found.word, EXIT[found.word]) == ("differs", 1)
    assert found.headline() == (
        "differs: loss parts at epoch 2: 0.2 → 0.25; what differs: code: "
        "shackdoo/tasks/mnist.py has changed"
    )
    assert ("test_accuracy", "0.99", "0.98", "NO") in found.rows()


def test_the_last_bit_of_a_number_counts() -> None:
    assert verdict(outcome(), outcome(accuracy=math.nextafter(0.99, 1))).word == "differs"


def test_other_bits_with_the_same_numbers() -> None:
    arrays = {"0 conv/kernel": "1", "1 dense/kernel": "3"}
    found = verdict(outcome(), outcome("v" * 64, arrays=arrays))
    assert (found.word, EXIT[found.word]) == ("same metrics, other bits", 1)
    assert found.headline() == (
        "same metrics, other bits: 1 arrays of weights have other bits; no ingredient that is on "
        "record differs"
    )


def test_another_machine_leaves_it_open_unless_the_bits_are_the_same() -> None:
    found = verdict(outcome(), outcome("v" * 64, 0.98), CPU)
    assert (found.word, EXIT[found.word]) == ("not comparable", 3)
    assert "what differs: machine: cpu_flags was" in found.headline()
    assert verdict(outcome(), outcome(), CPU).word == "identical"


def test_a_run_that_left_nothing_can_not_be_compared() -> None:
    found = verdict(Outcome(), outcome().curves_alone())
    assert found.word == "not comparable"
    assert found.headline() == ("not comparable: the recorded run has left nothing to compare with")


def test_curves_alone_prove_as_far_as_they_go() -> None:
    first, second = outcome().curves_alone(1), outcome(loss=(0.3,)).curves_alone(1)
    found = Verdict("1234", (), effect(first, second), first, second, epochs=1)
    assert found.headline() == "identical: the metrics of the first epoch are bit-identical"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_run_can_be_the_same(value: float) -> None:
    assert verdict(outcome(loss=(value,)), outcome(loss=(value,))).word == "identical"


def test_a_new_run_that_got_less_far_differs() -> None:
    first, second = outcome().curves_alone(), outcome(loss=(0.3,)).curves_alone()
    found = verdict(first, second)
    assert found.word == "differs"
    assert "the new run has no loss of epoch 2, which the recorded one has" in found.headline()
