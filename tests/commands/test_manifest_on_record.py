"""What a run was made of is on record whole, however the run ends, and seen to be unchanged."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shackdoo.commands.recorded_run import RecordedRun, recorded_run
from shackdoo.config.project import find_project
from shackdoo.errors import RequestError
from shackdoo.provenance.environment import digest
from shackdoo.provenance.manifest import schema
from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import LocalRun, local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]
SHORT = ("task.parameters.epochs=1", "task.parameters.max_steps_per_epoch=5")
ENDINGS = """
import os, signal
from shackdoo.tasks.mnist import Mnist_A


class Dies(Mnist_A):
    def build_model(self):
        os.kill(os.getpid(), signal.SIGKILL)


class DiesEarly(Mnist_A):
    def preprocessing_train(self, raw):
        os.kill(os.getpid(), signal.SIGKILL)


class Fails(Mnist_A):
    def build_model(self):
        raise RuntimeError("no model")
"""
YAML = "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask: {{name: {0}, _target_: ends.{0}}}\n"


def newest() -> LocalRun:
    return local_runs(Path(os.environ["SHACKDOO_STATE"]))[0]


def on_disk(run: LocalRun) -> dict[str, Any]:
    """The manifest in the run's folder; its schema fits."""
    found: dict[str, Any] = json.loads((run.folder / "files" / "manifest.json").read_bytes())
    Draft202012Validator(json.loads(schema())).validate(found)
    return found


def attached(run: LocalRun) -> dict[str, Any]:
    """The newest manifest that is to be shipped."""
    entries = [entry for entry, _ in read_entries(run.folder / JOURNAL)]
    digests = [each["sha256"] for each in entries if each.get("name") == "manifest.json"]
    found: dict[str, Any] = json.loads((run.folder / "blobs" / digests[-1]).read_bytes())
    return found


def read(scratch: Path, uid: str = "latest") -> RecordedRun:
    return recorded_run(uid, find_project(), scratch)


@pytest.fixture
def ending(own_project: Path, shackdoo: Run) -> Callable[[str], LocalRun]:
    """Run a task that ends as its class says."""
    (own_project / "ends.py").write_text(ENDINGS)

    def run(name: str) -> LocalRun:
        (own_project / "conf" / "task" / f"{name}.yaml").write_text(YAML.format(name))
        assert shackdoo("train", f"task={name}").returncode != 0
        return newest()

    return run


def test_a_training_and_an_inference(shackdoo: Run, own_project: Path, tmp_path: Path) -> None:
    done = shackdoo("train", "task=Mnist_B", *SHORT)
    assert done.returncode == 0, done.stderr
    run = newest()
    manifest, content = on_disk(run), (run.folder / "files" / "manifest.json").read_bytes()
    found = read(tmp_path)
    assert found.manifest == manifest
    assert found.run.tags["shackdoo.manifest_sha256"] == hashlib.sha256(content).hexdigest()
    assert found.run.tags["shackdoo.data_sha256"] == manifest["data"]["mnist"]["sha256"]
    assert found.run.tags["shackdoo.environment_sha256"] == digest(manifest["environment"])
    assert "shackdoo.diff_sha256" not in found.run.tags

    assert wait_shipped(run.folder, 60).done  # only then has it an id in the store
    away = RecordedRun(read(tmp_path).run, None, tmp_path / "elsewhere")
    assert away.manifest == manifest
    (run.folder / "files" / "manifest.json").write_bytes(content.replace(b"Mnist_B", b"Mnist_C"))
    with pytest.raises(RequestError) as caught:
        _ = read(tmp_path).manifest
    assert str(caught.value) == (
        f"The manifest.json of the run {found.name} has been changed since it was recorded: its "
        f"sha256 is not the one in the tag shackdoo.manifest_sha256. What it says can't be relied "
        f"on."
    )

    done = shackdoo("infer", "task=Mnist_B", "input=mnist", f"output={tmp_path}/a.csv")
    assert done.returncode == 0, done.stderr
    assert on_disk(newest())["trained_run"] == run.uid


def test_one_that_is_killed_while_it_trains(ending: Callable[[str], LocalRun]) -> None:
    run = ending("Dies")
    for manifest in (on_disk(run), attached(run)):
        determinism = manifest["determinism"]
        assert (determinism["threads_used"] >= 1, determinism["devices_used"]) == (True, 1)
        assert determinism["xla"] is True
        assert manifest["data"]["mnist"]["train"]


def test_one_that_is_killed_before_that(ending: Callable[[str], LocalRun], tmp_path: Path) -> None:
    assert on_disk(ending("DiesEarly"))["determinism"]["devices_used"] == 1
    assert read(tmp_path).manifest["code"]["modules"]["ends.py"]


def test_one_that_fails(ending: Callable[[str], LocalRun]) -> None:
    manifest = on_disk(ending("Fails"))
    assert manifest["data"]["mnist"]["train"]
    assert manifest["wall_seconds"] > 0
    assert "results" not in manifest
