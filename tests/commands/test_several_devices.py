"""``strategy=mirrored`` from the command line: its bits, its record, its model, its mistakes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.api import compose
from shackdoo.cli import main
from shackdoo.config.record import config_digest
from shackdoo.tracking.state import local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]

TWO = ("task=Mnist_A", "strategy=mirrored", "strategy.devices=2")
SHORT = (*TWO, "task.parameters.dropout=0.2", "task.parameters.max_steps_per_epoch=40")
WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": ""}


def printed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The result on stdout, by its first words."""
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(None, 1) for line in done.stdout.splitlines())


@pytest.mark.usefixtures("store_away")
def test_two_processes_give_the_same_bits_and_a_model_for_one_device(
    shackdoo: Run, own_project: Path
) -> None:
    import keras

    recorded = printed(shackdoo("train", *SHORT, **WITHOUT_GPU))
    again = printed(shackdoo("train", *SHORT, "tracking=off", **WITHOUT_GPU))
    assert recorded["weights sha256"] == again["weights sha256"]
    assert recorded["test_accuracy"] == again["test_accuracy"]

    (run,) = local_runs(Path(os.environ["SHACKDOO_STATE"]))
    manifest = json.loads((run.folder / "files" / "manifest.json").read_text())
    determinism = manifest["determinism"]
    assert (determinism["strategy"], determinism["devices_used"]) == ("mirrored", 2)
    assert determinism["xla_used"] is False
    assert manifest["config"]["strategy"]["devices"] == 2

    model = keras.saving.load_model(recorded["model"], compile=False)
    _, (images, labels) = compose("Mnist_A").task.fetch_data()
    right = model.predict(images, batch_size=1000, verbose=0).argmax(axis=1) == labels
    assert f"{np.mean(right):.4f}" == recorded["test_accuracy"]


def test_the_devices_are_part_of_what_a_run_is(own_project: Path) -> None:
    digests = {
        config_digest(compose("Mnist_A", *chosen).checked.composed.values)
        for chosen in ((), TWO[1:], (TWO[1], "strategy.devices=4"))
    }
    assert len(digests) == 3


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "devices of a single one": (
        ("task=Mnist_A", "strategy.devices=2"),
        "the override 'strategy.devices=2': strategy.devices is 2, but must be 1 with "
        "strategy=single; strategy=mirrored takes more.",
    ),
    "no devices": (
        (*TWO[:2], "strategy.devices=0"),
        "the override 'strategy.devices=0': strategy.devices is 0, but must be greater than 0",
    ),
    "a batch that can't be shared": (
        (*TWO, "task.parameters.batch_size=99"),
        "the override 'task.parameters.batch_size=99': task.parameters.batch_size is 99, which 2 "
        "devices can't share equally: it counts the examples of all of them together. Choose a "
        "multiple of 2, such as 98 or 100.",
    ),
    "a batch of a file": (
        (*TWO[:2], "strategy.devices=3", "task.parameters.batch_size=129"),
        "conf/parameters.yaml:5: task.parameters.evaluation_batch_size is 1000, which 3 devices",
    ),
    "clipping": (
        (*TWO, "+optimizer.clipnorm=1"),
        "the override '+optimizer.clipnorm=1': optimizer.clipnorm is 1, which Keras does not apply "
        "to the gradients of all devices together, so it can't be used with strategy=mirrored. "
        "Leave it away, or train on one device (strategy=single).",
    ),
    "a misspelt strategy": (
        ("task=Mnist_A", "strategy=mirored"),
        "no strategy 'mirored'. Did you mean 'mirrored'? Known: mirrored, single.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_before_anything_is_started(
    mistake: str, own_project: Path, capsys: pytest.CaptureFixture[Any]
) -> None:
    arguments, message = MISTAKES[mistake]
    (own_project / "mlflow.db").unlink()
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (own_project / "mlflow.db").exists()


def test_all_gpus_of_a_machine_without_any(shackdoo: Run) -> None:
    done = shackdoo("train", "task=Mnist_A", "strategy=mirrored", "debug=quick", **WITHOUT_GPU)
    assert done.returncode == 1
    assert (
        "strategy.devices is null, which means all GPUs, but TensorFlow finds none" in done.stderr
    )
    assert "Traceback" not in done.stderr
