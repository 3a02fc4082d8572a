"""Where the bits of two trainings part, and how that is told."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from shackdoo.training.bits import StepBits, Trace, divergence

TRACE = Trace(
    [
        StepBits(None, {"dense/kernel": "a0", "dense/bias": "b0"}),
        StepBits("0x1p+0", {"dense/kernel": "a1", "dense/bias": "b1", "sgd/momentum": "c1"}),
        StepBits("0x1p-1", {"dense/kernel": "a2", "dense/bias": "b2", "sgd/momentum": "c2"}),
    ],
    xla=True,
    threads=2,
)


def changed(step: int, loss: str | None = None, **arrays: str) -> Trace:
    """The trace with other bits from one step on."""
    steps = list(TRACE.steps)
    for number in range(step, len(steps)):
        named = {path.replace("_", "/"): digest for path, digest in arrays.items()}
        mine = steps[number]
        steps[number] = StepBits(loss or mine.loss, {**mine.arrays, **named})
    return replace(TRACE, steps=steps)


def told(other: Trace) -> str:
    return str(divergence(TRACE, other))


def test_equal_trainings_part_nowhere_whatever_they_ran_on() -> None:
    other = replace(changed(0), xla=False, threads=1)
    assert divergence(TRACE, other) is None
    assert other.digest == TRACE.digest


def test_initial_weights_that_differ_are_told_before_all_else() -> None:
    parted = divergence(TRACE, changed(0, dense_bias="x"))
    assert parted is not None
    assert parted.kind == "initial"
    assert str(parted) == ("diverge in the initial weights, first in 'dense/bias' (1 of 2 arrays)")


def test_the_first_step_is_named_with_the_first_array_in_the_order_of_the_model() -> None:
    other = changed(2, sgd_momentum="x", dense_bias="y")
    parted = divergence(TRACE, other)
    assert parted is not None
    assert (parted.kind, parted.step, parted.array) == ("update", 2, "dense/bias")
    assert str(parted) == (
        "diverge at step 2 in 'dense/bias' (2 of 3 arrays; its loss is still equal)"
    )
    assert other.digest != TRACE.digest


def test_a_loss_that_differs_already_is_told() -> None:
    parted = divergence(TRACE, changed(1, loss="0x1p+1", dense_kernel="x"))
    assert parted is not None
    assert parted.kind == "loss"
    assert str(parted) == (
        "diverge at step 1 in 'dense/kernel' (1 of 3 arrays; its loss differs already)"
    )


def test_a_loss_may_differ_alone() -> None:
    assert told(changed(2, loss="0x1p+1")) == "diverge at step 2 in the loss alone"


def test_a_training_that_ends_early_parts_where_it_ends() -> None:
    shorter = replace(TRACE, steps=TRACE.steps[:2])
    assert told(shorter) == "diverge at step 2 as one of them ends before it"
    assert divergence(shorter, TRACE) == divergence(TRACE, shorter)


def test_an_array_that_one_of_them_lacks_differs() -> None:
    parted = divergence(TRACE, changed(1, dense_scale="x"))
    assert parted is not None
    assert (parted.array, parted.differing, parted.arrays) == ("dense/scale", 1, 4)


def test_a_trace_comes_back_from_json() -> None:
    assert Trace.of(json.loads(json.dumps(asdict(TRACE)))) == TRACE
