"""The self-test of determinism: where do the bits of a training part, if they do?

The first steps of a task are trained twice in one process and again in a new one: these must be
equal. Another number of threads, and XLA on or off, may change the result; whether they do is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from shackdoo.commands.checkup.finding import Finding
from shackdoo.errors import RunError
from shackdoo.training.bits import Divergence, Trace, divergence

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked

TASK = "task=Mnist_A"  # if none is named
STEPS = 10  # if no number is named
TRAINING = "shackdoo.commands.checkup.bit_training"
SECONDS = 600.0
SHOWN_DIGEST = 12  # digits, for people

UNSEEDED = (
    "numbers that the seed does not reach (os.urandom, the clock, default_rng() with no seed)"
)
IN_MODEL = (
    f"build_model() uses {UNSEEDED}. Take them from keras.initializers or from self.config.seed."
)
IN_STEPS = (
    f"Look in layers, callbacks and augment() for {UNSEEDED}. If there are none, "
    f"determinism.threads=1 takes the order of CPU threads out of it, strategy.xla=false the "
    f"compiler."
)
SWITCHED_OFF = "determinism.enabled=false allows that; leave it out."


def check_determinism(checked: Checked, steps: int, say: Callable[[str], None]) -> list[Finding]:
    """Train a few steps in several ways and compare the bits of every variable after each step.

    Args:
        checked: the request whose task is trained.
        steps: how many of its training's first steps.
        say: shows a line.

    Returns:
        A finding for each pair. ``broken`` where bits that must be equal are not, or where a
        training failed.
    """
    overrides, config = checked.composed.overrides, checked.composed.config
    try:
        say("determinism: 1 of 4: two trainings in one process")
        first, second = traces(overrides, steps, trainings=2)
        say("determinism: 2 of 4: a training in a new process")
        (again,) = traces(overrides, steps)
        found = [
            must_be_equal(checked, "bits, same process", first, second),
            must_be_equal(checked, "bits, new process", first, again),
        ]
        if any(finding.state == "broken" for finding in found):
            return found  # what differs from itself tells nothing about threads and XLA
        threads = 1 if first.threads > 1 else 2
        say(f"determinism: 3 of 4: with determinism.threads={threads}")
        (threaded,) = traces([*overrides, f"determinism.threads={threads}"], steps)
        xla = not config.strategy.xla
        say(f"determinism: 4 of 4: with strategy.xla={_json(xla)}")
        (compiled,) = traces([*overrides, f"strategy.xla={_json(xla)}"], steps)
    except RunError as error:
        return [Finding("bits", "broken", checked.redactor().text(str(error)))]
    return [
        *found,
        may_differ(f"bits, threads={threads}", first, threaded),
        with_other_compiler(f"bits, xla={_json(xla)}", first, compiled),
    ]


def traces(overrides: Sequence[str], steps: int, trainings: int = 1) -> list[Trace]:
    """Train in a fresh process and return the bits of each training.

    Raises:
        RunError: if it fails or does not end.
    """
    command = [sys.executable, "-m", TRAINING, str(steps), str(trainings), *overrides]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"the training did not end within {SECONDS:.0f} s") from None
    if done.returncode:
        why = " ".join(done.stderr.split())[-500:] or f"exit {done.returncode}"
        raise RunError(f"the training failed: {why}")
    return [Trace.of(each) for each in json.loads(done.stdout.splitlines()[-1])]


def must_be_equal(checked: Checked, subject: str, one: Trace, other: Trace) -> Finding:
    """Return whether two trainings of the same request are equal; ``broken`` if not."""
    config = checked.composed.config
    parted, details = _compared(one, other)
    settings = {
        "determinism.enabled": config.determinism.enabled,
        "threads": one.threads,
        "xla": one.xla,
        "seed": config.seed,
    }
    details |= {"task": config.task.name, "settings": settings}
    told = ", ".join(f"{name}={_json(value)}" for name, value in settings.items())
    what = f"{config.task.name}, {len(one.steps) - 1} steps, {told}"
    if parted is None:
        fact = f"equal, {one.digest[:SHOWN_DIGEST]}: {what}"
        return Finding(subject, "ok", fact, None, details)
    way_out = IN_MODEL if parted.kind == "initial" else IN_STEPS
    if not config.determinism.enabled:
        way_out = SWITCHED_OFF
    return Finding(subject, "broken", f"{parted}: {what}", way_out, details)


def may_differ(subject: str, one: Trace, other: Trace) -> Finding:
    """Return whether trainings with other settings are equal all the same: a fact, no fault."""
    parted, details = _compared(one, other)
    fact = f"equal, {one.digest[:SHOWN_DIGEST]}" if parted is None else str(parted)
    return Finding(subject, "ok", fact, None, details)


def with_other_compiler(subject: str, one: Trace, other: Trace) -> Finding:
    """Return the same for trainings with and without XLA; ``missing`` if XLA rejects the model."""
    if one.xla == other.xla:
        return Finding(subject, "missing", "not compared: XLA rejects this model")
    return may_differ(subject, one, other)


def _compared(one: Trace, other: Trace) -> tuple[Divergence | None, dict[str, object]]:
    parted = divergence(one, other)
    told = None if parted is None else {**asdict(parted), "kind": parted.kind}
    return parted, {
        "steps": len(one.steps) - 1,
        "equal": parted is None,
        "divergence": told,
        "digests": [one.digest, other.digest],
    }


def _json(value: object) -> str:
    return json.dumps(value)
