"""Runs that were stopped go on: to the same bits, in the same run, or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trainings import SECONDS, signalled

from shackdoo.tracking.continued import read_recorded
from shackdoo.tracking.journal import read_entries
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import LocalRun, local_runs

Program = Callable[..., subprocess.CompletedProcess[str]]

SHORT = (
    "task=Mnist_B",
    "task.parameters.epochs=4",
    "task.parameters.max_steps_per_epoch=40",
    "task.parameters.dropout=0.2",
    "report.page=false",
    "checkpoint.seconds=0.1",
)
TIMINGS = {"epoch_seconds", "examples_per_second"}


def newest() -> LocalRun:
    return local_runs(Path(os.environ["SHACKDOO_STATE"]))[0]


def points(run: LocalRun) -> list[tuple[str, int, float]]:
    return [
        (name, entry["step"], value)
        for entry, _ in read_entries(run.journal)
        if entry["kind"] == "metrics"
        for name, value in entry["values"].items()
        if name not in TIMINGS
    ]


def results(run: LocalRun) -> dict[str, Any]:
    manifest = json.loads((run.folder / "files" / "manifest.json").read_text())
    found: dict[str, Any] = manifest["results"]
    found["metrics"] = {n: v for n, v in found["metrics"].items() if n not in TIMINGS}
    return found


def stopped(number: signal.Signals, *request: str) -> tuple[LocalRun, int]:
    """Start a training and stop it once it has a checkpoint in its second epoch or later."""

    def kept(run: LocalRun) -> bool:
        return bool(points(run)) and any(run.folder.glob("checkpoints/step-*"))

    return signalled(number, *request, when=kept)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], set[Any]]:
    """Results and metrics of the same training, never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "project" / "conf").mkdir(parents=True)
    own = {"SHACKDOO_ROOT": str(folder / "project"), "SHACKDOO_STATE": str(folder / "state")}
    own["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"  # it need not be in a store
    subprocess.run(
        [sys.executable, "-m", "shackdoo.cli", "train", *SHORT],
        check=True,
        capture_output=True,
        env={**os.environ, **own},
    )
    (run,) = local_runs(folder / "state")
    return results(run), set(points(run))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_and_resumed_it_ends_in_the_same_bits(
    shackdoo: Program,
    own_project: Path,
    whole: tuple[dict[str, Any], set[Any]],
    number: signal.Signals,
) -> None:
    from mlflow import MlflowClient

    run, code = stopped(number, *SHORT)
    assert code == (-9 if number == signal.SIGKILL else 128 + number)
    first = wait_shipped(run.folder, SECONDS)
    client = MlflowClient(f"sqlite:///{own_project}/mlflow.db")
    assert client.get_run(first.mlflow_run_id).info.status == "KILLED"
    done = shackdoo("resume", run.uid[:8])
    assert done.returncode == 0, done.stderr
    assert "goes on after step " in done.stderr
    (run,) = local_runs(Path(os.environ["SHACKDOO_STATE"]))
    assert run.status == "FINISHED"
    assert results(run) == whole[0]
    found = points(run)
    assert len(found) == len({(name, step) for name, step, _ in found})
    assert set(found) == whole[1]
    assert not list(run.folder.glob("checkpoints/*"))
    shipping = wait_shipped(run.folder, SECONDS)
    assert shipping.done and shipping.mlflow_run_id == first.mlflow_run_id
    stored = client.get_run(shipping.mlflow_run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.tags["shackdoo.resumes"] == "1"
    assert "shackdoo.resume_differs" not in stored.data.tags
    history = client.get_metric_history(shipping.mlflow_run_id, "loss")
    assert [point.step for point in history] == [1, 2, 3, 4]
    manifest = json.loads((run.folder / "files" / "manifest.json").read_text())
    assert len(manifest["resumed"]) == 1
    assert manifest["wall_seconds"] > sum(manifest["seconds"].values())
    again = shackdoo("resume", run.uid[:8])
    assert again.returncode == 2
    assert "has finished; there is nothing left to resume." in again.stderr


@pytest.mark.usefixtures("store_away")
def test_auto_goes_on_or_starts_anew(shackdoo: Program, own_project: Path) -> None:
    first = shackdoo("train", *SHORT, "resume=auto", "task.parameters.epochs=1")
    assert first.returncode == 0, first.stderr
    assert "resume=auto: no unfinished run of this configuration; starting anew" in first.stderr
    run, _ = stopped(signal.SIGKILL, *SHORT)
    other = shackdoo("train", *SHORT, "resume=auto", "seed=7", "task.parameters.epochs=1")
    assert "starting anew" in other.stderr
    done = shackdoo("train", *SHORT, "resume=auto", "tags.note=again", "+tags.note=again")
    assert done.returncode == 2  # a mistake is one, resumed or not
    done = shackdoo("train", *SHORT, "resume=auto")
    assert done.returncode == 0, done.stderr
    assert f"run             {run.uid}" in done.stdout


def test_what_has_changed_is_told_and_nothing_is_touched(
    shackdoo: Program, own_project: Path
) -> None:
    (own_project / "digits.py").write_text(
        "from shackdoo.tasks.mnist import Mnist_B\n\n\nclass Own(Mnist_B):\n    '''Own.'''\n"
    )
    (own_project / "conf" / "task" / "Own.yaml").write_text(
        "# @package _global_\ndefaults: [Mnist_B, _self_]\n"
        "task: {name: Own, _target_: digits.Own}\n"
    )
    request = ("task=Own", *SHORT[1:])
    run, _ = stopped(signal.SIGKILL, *request)
    wait_shipped(run.folder, SECONDS)
    with (own_project / "digits.py").open("a") as file:
        file.write("\n\nCHANGED = 1\n")
    with (own_project / "conf" / "task" / "Own.yaml").open("a") as file:
        file.write("optimizer: {learning_rate: 0.002}\n")
    journal = run.journal.read_bytes()
    done = shackdoo("resume", run.uid[:8])
    assert done.returncode == 2
    assert done.stderr == (
        f"error: The run {run.uid[:8]} can't be resumed to the same bits, since what it is made "
        f"of has changed:\n"
        f"  code: digits.py has changed\n"
        f"  config: optimizer.learning_rate was 0.02, is 0.002\n"
        f"Put it back as it was, or start anew: shackdoo train. `shackdoo resume {run.uid[:8]} "
        f"--force` goes on all the same, and the run is marked.\n"
    )
    assert run.journal.read_bytes() == journal
    done = shackdoo("resume", run.uid[:8], "--force")
    assert done.returncode == 0, done.stderr
    tags = read_recorded(run.journal).tags
    assert tags["shackdoo.resumed_with_changes"] == (
        "code: digits.py has changed; config: optimizer.learning_rate was 0.02, is 0.002"
    )


@pytest.mark.usefixtures("store_away")
def test_a_run_that_is_going_on(shackdoo: Program, own_project: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", "train", *SHORT, "task.parameters.epochs=100000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as training:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not local_runs(Path(os.environ["SHACKDOO_STATE"])):
            time.sleep(0.1)
        done = shackdoo("resume", newest().uid)
        training.kill()
    assert done.returncode == 2
    assert "is going on: another process of this machine writes its journal." in done.stderr


def test_mistakes(shackdoo: Program, own_project: Path) -> None:
    none = shackdoo("resume", "latest")
    assert (none.returncode, none.stderr) == (
        2,
        "error: No training of this project on this machine is unfinished. `shackdoo runs` lists "
        "the runs; `shackdoo train` starts one.\n",
    )
    assert shackdoo("resume").returncode == 2
    odd = shackdoo("train", "task=Mnist_B", "resume=abc")
    assert odd.returncode == 2
    assert "resume is 'abc'" in odd.stderr


def test_on_another_machine_from_the_store(
    shackdoo: Program, own_project: Path, tmp_path: Path, whole: tuple[dict[str, Any], set[Any]]
) -> None:
    run, _ = stopped(signal.SIGTERM, *SHORT, "checkpoint.ship=0")
    assert wait_shipped(run.folder, SECONDS).done
    elsewhere = {"SHACKDOO_STATE": str(tmp_path / "other machine")}
    done = shackdoo("resume", run.uid[:8], **elsewhere)
    assert done.returncode == 0, done.stderr
    assert "goes on after step " in done.stderr
    (there,) = local_runs(tmp_path / "other machine")
    assert there.uid == run.uid
    assert results(there) == whole[0]
    shipping = wait_shipped(there.folder, SECONDS)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{own_project}/mlflow.db")
    stored = client.get_run(shipping.mlflow_run_id)
    assert (stored.info.status, stored.data.tags["shackdoo.run_uid"]) == ("FINISHED", run.uid)
    history = client.get_metric_history(shipping.mlflow_run_id, "loss")
    assert [point.step for point in history] == [1, 2, 3, 4]
    assert not (tmp_path / "other machine" / "fetched" / run.uid).exists()


def test_without_a_checkpoint_in_the_store(
    shackdoo: Program, own_project: Path, tmp_path: Path
) -> None:
    run, _ = stopped(signal.SIGTERM, *SHORT)
    assert wait_shipped(run.folder, SECONDS).done
    done = shackdoo("resume", run.uid[:8], SHACKDOO_STATE=str(tmp_path / "other machine"))
    assert done.returncode == 2
    assert "the store has no checkpoint of it. Resume it there, or start anew" in done.stderr
    assert not list((tmp_path / "other machine").glob("runs/*"))


@pytest.mark.usefixtures("store_away")
def test_from_the_weights_of_another_run(shackdoo: Program, own_project: Path) -> None:
    first = shackdoo("train", *SHORT, "task.parameters.epochs=1")
    assert first.returncode == 0, first.stderr
    source = newest()
    second = shackdoo("train", *SHORT, "task.parameters.epochs=1", "init_from=latest")
    assert second.returncode == 0, second.stderr
    run = newest()
    recorded = read_recorded(run.journal)
    assert recorded.tags["shackdoo.init_from"] == source.uid
    losses = [read_recorded(each.journal).metrics["loss", 1] for each in (source, run)]
    assert losses[1] < losses[0]
    manifest = json.loads((run.folder / "files" / "manifest.json").read_text())
    assert manifest["config"]["init_from"] == source.uid
    assert manifest["overrides"][-1] == f"init_from='{source.uid}'"
    wider = shackdoo("train", *SHORT, "task.parameters.dense_units=97", "init_from=latest")
    assert wider.returncode == 1
    assert "The weights of init_from, " in wider.stderr
    assert "Layers, their order and their shapes must be the same." in wider.stderr
    missing = shackdoo("train", *SHORT, "init_from=ffffffff")
    assert missing.returncode == 2
    assert "the override 'init_from=ffffffff': No run 'ffffffff' on this machine" in missing.stderr
