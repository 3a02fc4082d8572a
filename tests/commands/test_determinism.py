"""``shackdoo doctor --determinism``: trainings that part are told with the step and the weight."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.checking import Checked, check
from shackdoo.commands.checkup.determinism import (
    may_differ,
    must_be_equal,
    traces,
    with_other_compiler,
)
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.errors import RunError
from shackdoo.training.bits import StepBits, Trace, divergence

Shackdoo = Callable[..., subprocess.CompletedProcess[str]]

TASKS = """
import os

from shackdoo.tasks.mnist import Mnist_A


def entropy(shape):
    import numpy as np

    return np.random.default_rng(int.from_bytes(os.urandom(8))).normal(size=shape)


class Plain(Mnist_A):
    def build_model(self):
        import keras

        images = keras.Input((28, 28))
        x = keras.layers.Rescaling(1 / 255)(keras.layers.Flatten()(images))
        return keras.Model(images, keras.layers.Dense(10, name="out")(self.middle(x)))

    def middle(self, x):
        return x


class Unseeded(Plain):
    def build_model(self):
        model = super().build_model()
        kernel = model.get_layer("out").kernel
        kernel.assign(entropy(kernel.shape))
        return model


class Late(Plain):
    def callbacks(self):
        import keras

        class AtStep3(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 2:
                    bias = self.model.get_layer("out").bias
                    bias.assign(entropy(bias.shape))

        return [AtStep3()]


class Noisy(Plain):
    def middle(self, x):
        import keras
        import tensorflow as tf

        class Noise(keras.layers.Layer):
            def call(self, x, training=False):
                draw = lambda x: x + entropy(x.shape).astype("float32")
                noisy = tf.numpy_function(draw, [x], tf.float32) if training else x
                return tf.ensure_shape(noisy, x.shape)

        return Noise()(x)


class OwnFit(Plain):
    def train(self, loop, dataset):
        return loop.model.fit(dataset.train.inputs, dataset.train.targets, verbose=0).history


class Lambda(Plain):
    def middle(self, x):
        import keras

        return keras.layers.Lambda(lambda x: x)(x)


class Adding(Plain):
    def middle(self, x):
        import keras

        class Mean(keras.layers.Layer):
            def call(self, x):
                self.add_loss(keras.ops.mean(x))
                return x

        return Mean()(x)


class Broken(Plain):
    def build_model(self):
        raise ValueError("no such layer, hunter2hunter2")
"""
YAML = """# @package _global_
defaults: [Mnist_A, _self_]
task:
  name: {name}
  _target_: determinism_tasks.{name}
strategy: {{xla: false}}
"""


@pytest.fixture
def tasks(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with tasks that are equal to themselves, and such as are not."""
    (own_project / "determinism_tasks.py").write_text(TASKS)
    for name in ("Plain", "Unseeded", "Late", "Noisy", "OwnFit", "Broken", "Lambda", "Adding"):
        (own_project / "conf" / "task" / f"{name}.yaml").write_text(YAML.format(name=name))
    monkeypatch.syspath_prepend(str(own_project))
    return own_project


def parted(task: str, steps: int = 4) -> Any:
    """Where two trainings of a task part that were made in one process."""
    return divergence(*traces([f"task={task}"], steps, trainings=2))


# ── what is found ────────────────────────────────────────────────────────────────────────────


def test_initial_weights_from_unseeded_entropy_are_named(tasks: Path) -> None:
    found = parted("Unseeded")
    assert (found.kind, found.step, found.array) == ("initial", 0, "out/kernel")


def test_a_callback_that_draws_at_step_3_is_found_there(tasks: Path) -> None:
    found = parted("Late")
    assert (found.kind, found.step, found.array) == ("update", 3, "out/bias")
    assert found.differing == 1


def test_a_layer_that_draws_is_found_in_the_loss(tasks: Path) -> None:
    found = parted("Noisy")
    assert (found.kind, found.step) == ("loss", 1)


def test_a_task_that_trains_by_itself_cannot_be_followed(tasks: Path) -> None:
    with pytest.raises(RunError, match=r"OwnFit.train\(\) calls no callbacks of the loop"):
        parted("OwnFit")


def test_what_a_run_refuses_is_refused(tasks: Path) -> None:
    with pytest.raises(RunError, match="Lambda"):
        parted("Lambda")
    mirrored = ("strategy=mirrored", "strategy.devices=2")
    with pytest.raises(RunError, match="adds a loss of its own"):
        traces(["task=Adding", *mirrored], steps=1)


def test_no_more_steps_than_an_epoch_has(tasks: Path) -> None:
    few = "task.parameters.max_steps_per_epoch=2"
    (trace,) = traces(["task=Plain", few], steps=4)
    assert len(trace.steps) == 1 + 2


def test_a_training_of_another_seed_parts_in_the_initial_weights(tasks: Path) -> None:
    (one,), (other,) = (traces(["task=Plain", f"seed={seed}"], steps=1) for seed in (1, 2))
    assert str(divergence(one, other)).startswith("diverge in the initial weights")


# ── how it is told ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def checked(own_project: Path) -> Checked:
    return request_of()


def request_of(*overrides: str) -> Checked:
    project = find_project()
    return check(compose("train", ["task=Mnist_A", *overrides], project), project)


ONE = Trace([StepBits(None, {"a/kernel": "0"}), StepBits("0x1p+0", {"a/kernel": "1"})], True, 2)
LATER = replace(ONE, steps=[ONE.steps[0], StepBits("0x1p+0", {"a/kernel": "x"})])
INITIAL = replace(ONE, steps=[StepBits(None, {"a/kernel": "x"}), ONE.steps[1]])
WHAT = "Mnist_A, 1 steps, determinism.enabled={}, threads=2, xla=true, seed=42"


def test_equal_bits_are_told_with_their_digest_and_the_settings(checked: Checked) -> None:
    found = must_be_equal(checked, "bits, new process", ONE, ONE)
    assert (found.state, found.way_out) == ("ok", None)
    assert found.fact == f"equal, {ONE.digest[:12]}: {WHAT.format('true')}"
    assert found.details["digests"] == [ONE.digest] * 2
    assert found.details["equal"] is True


def test_bits_that_must_be_equal_and_are_not_are_broken(checked: Checked) -> None:
    found = must_be_equal(checked, "bits, new process", ONE, LATER)
    assert found.state == "broken"
    assert found.fact == (
        f"diverge at step 1 in 'a/kernel' (1 of 1 arrays; its loss is still equal): "
        f"{WHAT.format('true')}"
    )
    assert str(found.way_out).startswith("Look in layers, callbacks and augment() for numbers")
    assert found.details["divergence"] == {
        "step": 1,
        "array": "a/kernel",
        "differing": 1,
        "arrays": 1,
        "loss": False,
        "kind": "update",
    }


def test_the_way_out_fits_what_differs(own_project: Path) -> None:
    found = must_be_equal(request_of(), "bits, new process", ONE, INITIAL)
    assert str(found.way_out).startswith("build_model() uses numbers that the seed does not reach")
    off = request_of("determinism.enabled=false")
    found = must_be_equal(off, "bits, new process", ONE, LATER)
    assert (found.state, found.way_out) == (
        "broken",
        "determinism.enabled=false allows that; leave it out.",
    )


def test_other_settings_may_change_the_bits() -> None:
    found = may_differ("bits, threads=1", ONE, LATER)
    assert (found.state, found.way_out) == ("ok", None)
    assert found.fact.startswith("diverge at step 1 in 'a/kernel'")
    assert may_differ("bits, threads=1", ONE, ONE).fact == f"equal, {ONE.digest[:12]}"


def test_a_model_that_xla_rejects_has_no_other_compiler(tasks: Path) -> None:
    (trace,) = traces(["task=Noisy", "strategy.xla=true"], steps=1)  # it calls Python
    assert trace.xla is False
    found = with_other_compiler("bits, xla=false", trace, trace)
    assert (found.state, found.fact) == ("missing", "not compared: XLA rejects this model")
    assert with_other_compiler("bits, xla=false", ONE, replace(LATER, xla=False)).state == "ok"


# ── the whole ────────────────────────────────────────────────────────────────────────────────


def told(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    findings = json.loads(done.stdout)["findings"]
    return {each["subject"]: each for each in findings if each["subject"].startswith("bits")}


@pytest.mark.slow
def test_each_way_of_training_is_compared(own_project: Path, shackdoo: Shackdoo) -> None:
    before = sorted(own_project.rglob("*"))
    threads = "determinism.threads=2"
    done = shackdoo("doctor", "--determinism", "--json", threads, "--steps", "3")
    assert done.returncode == 0, done.stderr
    found = told(done)
    subjects = ["bits, same process", "bits, new process", "bits, threads=1", "bits, xla=false"]
    assert list(found) == subjects
    assert all(each["state"] == "ok" for each in found.values())
    same, again, threaded, plain = found.values()
    assert same["details"]["digests"] == again["details"]["digests"]
    assert same["details"]["settings"] == {
        "determinism.enabled": True,
        "threads": 2,
        "xla": True,
        "seed": 42,
    }
    assert same["details"]["steps"] == 3
    for each in (threaded, plain):
        equal = each["details"]["divergence"] is None
        assert each["fact"].startswith("equal, " if equal else "diverge at step ")
        assert each["details"]["digests"][0] == same["details"]["digests"][0]
    assert done.stderr.splitlines() == [
        "determinism: 1 of 4: two trainings in one process",
        "determinism: 2 of 4: a training in a new process",
        "determinism: 3 of 4: with determinism.threads=1",
        "determinism: 4 of 4: with strategy.xla=false",
    ]
    assert sorted(own_project.rglob("*")) == before
    assert not Path(os.environ["SHACKDOO_STATE"]).exists()


@pytest.mark.slow
def test_a_task_that_differs_from_itself_is_broken_and_compared_no_further(
    tasks: Path, shackdoo: Shackdoo
) -> None:
    done = shackdoo("doctor", "--determinism", "--json", "task=Late")
    assert done.returncode == 1
    found = told(done)
    assert [each["state"] for each in found.values()] == ["broken", "broken"]
    assert list(found) == ["bits, same process", "bits, new process"]
    assert found["bits, new process"]["fact"].startswith("diverge at step 3 in 'out/bias'")


@pytest.mark.slow
def test_one_thread_without_xla_is_compared_with_more_and_with_xla(
    tasks: Path, shackdoo: Shackdoo
) -> None:
    done = shackdoo("doctor", "--determinism", "--json", "task=Plain", "determinism.threads=1")
    assert done.returncode == 0, done.stderr
    assert list(told(done))[2:] == ["bits, threads=2", "bits, xla=true"]


def test_a_training_that_fails_is_broken_and_tells_no_secret(
    tasks: Path, shackdoo: Shackdoo
) -> None:
    done = shackdoo("doctor", "--determinism", "task=Broken", SOME_PASSWORD="hunter2hunter2")
    assert done.returncode == 1
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("broken"))
    assert "the training failed: " in line
    assert "ValueError: no such layer, " in line
    assert "hunter2" not in done.stdout + done.stderr


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_task_is_a_mistake_before_anything_is_started(shackdoo: Shackdoo) -> None:
    done = shackdoo("doctor", "--determinism", "task=Mnst_A")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no task 'Mnst_A'. Did you mean 'Mnist_A'?" in done.stderr
    assert "determinism: 1 of 4" not in done.stderr


def test_overrides_without_the_option_are_a_mistake(shackdoo: Shackdoo) -> None:
    done = shackdoo("doctor", "seed=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'seed=1' says what to train, which `shackdoo doctor` does with --determinism" in (
        done.stderr
    )


def test_no_steps_are_a_mistake(shackdoo: Shackdoo) -> None:
    done = shackdoo("doctor", "--determinism", "--steps", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'0' is no number of steps: give 1 or more" in done.stderr
