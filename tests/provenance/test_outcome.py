"""How two outcomes differ."""

from __future__ import annotations

import math

from shackdoo.metric_names import same_number
from shackdoo.provenance.outcome import Outcome, Parting, effect


def test_where_curves_part_does_not_depend_on_the_order_of_a_record() -> None:
    first = Outcome(curves={"loss": {1: 0.5, 2: 0.4}, "test_loss": {2: 0.6}, "val_loss": {2: 0.5}})
    second = Outcome(curves={"test_loss": {2: 0.7}, "val_loss": {2: 0.6}, "loss": {1: 0.5, 2: 0.3}})
    for one, other in ((first, second), (second, first)):
        parting = effect(one, other).parting
        assert parting is not None
        assert (parting.name, parting.step) == ("loss", 2)


def test_steps_come_before_epochs() -> None:
    first = Outcome(curves={"loss": {1: 0.5}, "batch_loss": {30: 0.9}})
    second = Outcome(curves={"loss": {1: 0.4}, "batch_loss": {30: 0.8}})
    assert effect(first, second).parting == Parting("batch_loss", 30, 0.9, 0.8)


def test_timings_and_the_machine_are_no_results() -> None:
    curves = {"epoch_seconds": {1: 2.0}, "system/cpu": {0: 3.0}, "loss": {1: 0.5}}
    found = Outcome.of({"results": {"metrics": {"epoch_seconds": 2.0, "loss": 0.5}}}, curves)
    assert set(found.curves) == {"loss"}
    assert found.metrics == {"loss": 0.5}


def test_a_manifest_without_results_has_curves_alone() -> None:
    found = Outcome.of({"results": None}, {"loss": {1: 0.5}})
    assert (found.weights, found.metrics) == (None, {})
    assert effect(found, found).identical
    assert not effect(Outcome(), Outcome()).identical


def test_numbers_are_the_same_to_the_last_bit_or_not() -> None:
    assert same_number(math.nan, math.nan)
    assert not same_number(0.1, math.nextafter(0.1, 1))
    assert not same_number(None, 0.0)


def test_what_got_less_far_is_not_the_same() -> None:
    first = Outcome(curves={"loss": {1: 0.5, 2: 0.4}, "batch_loss": {7: 0.9}})
    second = Outcome(curves={"loss": {1: 0.5}})
    found = effect(first, second)
    assert found.lacking == (("loss", 2),)
    assert not found.identical
    assert effect(second, first).identical
    assert effect(first.curves_alone(1), second).identical
