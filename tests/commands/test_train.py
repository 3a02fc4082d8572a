"""``shackdoo train`` from the command line to the store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.shipping import read_shipping, wait_shipped
from shackdoo.tracking.state import local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]

SHORT = ("task=Mnist_B", "task.parameters.max_steps_per_epoch=30")
SHIPPED_SECONDS = 120.0


def state() -> Path:
    return Path(os.environ["SHACKDOO_STATE"])


def printed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The result on stdout, by its first words."""
    return dict(line.rsplit(None, 1) for line in done.stdout.splitlines())


def shipped_run(project: Path) -> Any:
    """The only run of the project, from its store, once it is there whole."""
    from mlflow import MlflowClient

    (run,) = local_runs(state())
    shipping = wait_shipped(run.folder, SHIPPED_SECONDS)
    assert shipping.done, (run.folder / "shipper.log").read_text()
    return MlflowClient(f"sqlite:///{project}/mlflow.db").get_run(shipping.mlflow_run_id)


@pytest.mark.usefixtures("new_processes")
def test_mnist_b_trains_on_the_whole_of_mnist_and_is_recorded(
    shackdoo: Run, own_project: Path
) -> None:
    from mlflow import MlflowClient

    done = shackdoo("train", "task=Mnist_B", "seed=3", "+tags.note='日本語, two words'")
    assert done.returncode == 0, done.stderr
    result = printed(done)
    assert float(result["test_accuracy"]) >= 0.99
    assert "Mnist_B < Mnist_A < Task" in done.stderr
    assert sum("epoch 1/1" in line for line in done.stderr.splitlines()) == 1
    assert "WARNING" not in done.stderr

    run = shipped_run(own_project)
    assert run.info.status == "FINISHED"
    assert run.data.params["task.parameters.batch_size"]
    assert run.data.params["config.seed"] == "3"
    assert not {"task", "optimizer", "overrides", "seed"} & set(run.data.params)
    tags = run.data.tags
    assert tags["note"] == "日本語, two words"
    assert tags["shackdoo.lineage"] == "Mnist_B < Mnist_A < Task"
    assert tags["shackdoo.weights_sha256"] == result["weights sha256"]
    assert tags["shackdoo.run_uid"] == result["run"]
    assert (tags["shackdoo.task"], tags["shackdoo.tag"]) == ("Mnist_B", "Mnist_B")
    names = {"loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"}
    assert names | {"epoch_seconds", "examples_per_second"} == set(run.data.metrics)
    assert f"{run.data.metrics['test_accuracy']:.4f}" == result["test_accuracy"]

    client = MlflowClient(f"sqlite:///{own_project}/mlflow.db")
    top = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"config.yaml", "manifest.json", "report"} <= top
    pictures = {item.path for item in client.list_artifacts(run.info.run_id, "report")}
    drawn = {"learning_curves.png", "confusion_matrix.png", "worst_mistakes.png", "report.html"}
    assert pictures == {f"report/{name}" for name in (*drawn, "report.json")}
    report = own_project / "data" / "report" / run.info.run_name
    assert {path.name for path in report.iterdir()} == drawn
    assert "mistakes" in (report / "report.html").read_text()
    assert r"task.parameters.stem\_filters 16 → 24" in tags["mlflow.note.content"]
    manifest = json.loads(
        Path(client.download_artifacts(run.info.run_id, "manifest.json")).read_text()
    )
    assert manifest["results"]["weights"]["sha256"] == result["weights sha256"]
    assert manifest["results"]["metrics"]["test_accuracy"] == run.data.metrics["test_accuracy"]
    (data,) = run.inputs.dataset_inputs
    recorded = {tag.key: tag.value for tag in data.tags}["sha256"]
    assert recorded == manifest["data"]["mnist"]["sha256"] == tags["shackdoo.data.mnist"]
    assert Path(result["model"]).is_file()


@pytest.mark.usefixtures("new_processes")
def test_two_processes_end_in_the_same_weights_and_another_seed_does_not(shackdoo: Run) -> None:
    one, same, other = (
        printed(shackdoo("train", *SHORT, "tracking=off", f"seed={seed}"))["weights sha256"]
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_mnist_c_trains_a_few_steps(shackdoo: Run, own_project: Path) -> None:
    done = shackdoo("train", "task=Mnist_C", "debug=quick")
    assert done.returncode == 0, done.stderr
    assert "Mnist_C < Mnist_B < Mnist_A < Task" in done.stderr


@pytest.mark.slow
def test_mnist_c_trained_whole_has_learned_the_digits(shackdoo: Run, own_project: Path) -> None:
    done = shackdoo("train", "task=Mnist_C", "tracking=off")
    assert done.returncode == 0, done.stderr
    assert float(printed(done)["test_accuracy"]) >= 0.993


def test_mnist_a_reaches_98_5_percent_in_one_epoch(shackdoo: Run) -> None:
    done = shackdoo("train", "--task", "Mnist_A", "tracking=off")
    assert float(printed(done)["test_accuracy"]) >= 0.985


def test_debug_quick_takes_few_batches_and_records_nothing(
    shackdoo: Run, own_project: Path
) -> None:
    (own_project / "mlflow.db").unlink()
    done = shackdoo("train", "task=Mnist_A", "debug=quick")
    assert done.returncode == 0, done.stderr
    assert "nothing is recorded" in done.stderr
    assert not state().joinpath("runs").exists()
    assert not (own_project / "mlflow.db").exists()


@pytest.mark.usefixtures("new_processes")
def test_a_multirun_is_one_run_each_with_the_bits_of_a_single_one(
    shackdoo: Run, own_project: Path
) -> None:
    both = shackdoo("train", *SHORT, "-m", "seed=1,2", "tracking=off")
    assert both.returncode == 0, both.stderr
    second = both.stdout.split("weights sha256")[2].split()[0]
    alone = shackdoo("train", *SHORT, "seed=2", "tracking=off")
    assert printed(alone)["weights sha256"] == second
    assert not list(own_project.parent.glob("**/multirun*"))


def test_a_flow_alone(shackdoo: Run) -> None:
    done = shackdoo("train", "task=Mnist_B", "flows=[fetch_data]", "tracking.wait=60")
    assert (done.returncode, done.stdout) == (0, "")
    (run,) = local_runs(state())
    assert run.status == "FINISHED"


CALLBACK = """
import keras
class Report(keras.callbacks.Callback):
    def __init__(self, file):
        super().__init__()
        self.file = file
    def on_epoch_end(self, epoch, logs=None):
        with open(self.file, "a") as file:
            print(epoch, sorted(logs), file=file)
"""


def test_callbacks_of_the_configuration_and_a_users_own(
    shackdoo: Run, own_project: Path, tmp_path: Path
) -> None:
    (tmp_path / "my_callbacks.py").write_text(CALLBACK)
    done = shackdoo(
        "train",
        *SHORT,
        "tracking=off",
        "task.parameters.epochs=6",
        "callbacks=[early_stopping]",
        "callbacks.early_stopping.monitor=val_loss",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=1000",  # nothing is ever better by so much
        "+callbacks.mine._target_=my_callbacks.Report",
        f"+callbacks.mine.file={tmp_path}/seen",
        PYTHONPATH=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[0] == "0 ['accuracy', 'loss', 'val_accuracy', 'val_loss']"
    assert len(seen) == 2


def interrupted(signum: int, own_project: Path) -> tuple[int, str]:
    """Start a long training, signal it in its second epoch; return exit code and stderr."""
    command = [sys.executable, "-m", "shackdoo.cli", "train", *SHORT]
    with subprocess.Popen(
        [*command, "task.parameters.epochs=5000"],
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs are born deaf to Ctrl-C; who presses it is not in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        said = ""
        while "epoch 2/" not in said and (line := process.stderr.readline()):
            said += line
        process.send_signal(signum)
        began = time.monotonic()
        said += process.stderr.read()
        code = process.wait(60)
        watchdog.cancel()
        assert time.monotonic() - began < 10
    return code, said


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_closed_as_killed_with_what_it_has(
    signum: int, code: int, own_project: Path
) -> None:
    ended, said = interrupted(signum, own_project)
    assert ended == code
    assert "closed as KILLED with what it has" in said
    assert "Traceback" not in said
    run = shipped_run(own_project)
    assert run.info.status == "KILLED"
    assert run.data.metrics["loss"] > 0
    report = own_project / "data" / "report" / run.info.run_name
    assert (report / "learning_curves.png").is_file()
    assert "The run was stopped before its end" in (report / "report.html").read_text()


def test_a_killed_run_is_closed_by_the_shipper(own_project: Path) -> None:
    ended, _ = interrupted(signal.SIGKILL, own_project)
    assert ended == -signal.SIGKILL
    assert shipped_run(own_project).info.status == "KILLED"


FAILING = """
from shackdoo.tasks.mnist import Mnist_A
class Failing(Mnist_A):
    '''It fails.'''
    def build_model(self):
        raise RuntimeError("no such luck")
"""
FAILING_YAML = """# @package _global_
defaults: [Mnist_A, _self_]
task: {name: Failing, _target_: my_tasks.Failing}
"""


def test_a_task_that_fails_is_failed_with_its_traceback(
    shackdoo: Run, own_project: Path, tmp_path: Path
) -> None:
    (tmp_path / "my_tasks.py").write_text(FAILING)
    (own_project / "conf" / "task" / "Failing.yaml").write_text(FAILING_YAML)
    done = shackdoo("train", "task=Failing", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "no such luck" in done.stderr
    run = shipped_run(own_project)
    assert run.info.status == "FAILED"
    assert run.data.tags["shackdoo.error"] == "RuntimeError: no such luck"
    entries = [entry for entry, _ in read_entries(local_runs(state())[0].journal)]
    assert "traceback.txt" in {entry.get("name") for entry in entries}


def test_a_run_of_mlflow_is_joined(shackdoo: Run, own_project: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{own_project}/mlflow.db"
    client = MlflowClient(uri)
    given = client.create_run("0").info.run_id
    done = shackdoo("train", *SHORT, MLFLOW_RUN_ID=given, MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    run = client.get_run(given)  # the program has waited for it
    assert run.info.status == "FINISHED"
    assert run.data.tags["shackdoo.task"] == "Mnist_B"


def test_a_mistake_under_mlflow_run_closes_the_run_as_failed(
    shackdoo: Run, own_project: Path
) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{own_project}/mlflow.db"
    client = MlflowClient(uri)
    given = client.create_run("0").info.run_id
    done = shackdoo("train", "task=Mnist_X", MLFLOW_RUN_ID=given, MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 2
    run = client.get_run(given)
    assert run.info.status == "FAILED"
    assert "Mnist_X" in run.data.tags["shackdoo.error"]


def test_a_store_that_is_away_does_not_stop_the_training(shackdoo: Run) -> None:
    done = shackdoo("train", *SHORT, "tracking.uri=http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    (run,) = local_runs(state())
    assert run.status == "FINISHED"
    assert not read_shipping(run.folder).done
    assert (run.folder / JOURNAL).is_file()
    required = shackdoo(
        "train", *SHORT, "tracking.uri=http://127.0.0.1:1", "tracking.required=true"
    )
    assert required.returncode == 2
    assert "http://127.0.0.1:1 can't be used" in required.stderr
