"""A recorded run is made again: identical, or the ingredient that differs is named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from own_task import commit, git, write_data, write_project

from shackdoo.commands.left_reproductions import FOLDER
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import LocalRun, local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]
IDENTICAL = "identical: weights, predictions and metrics are bit-identical"
SECONDS = 120.0


def state() -> Path:
    return Path(os.environ["SHACKDOO_STATE"])


def newest() -> LocalRun:
    return local_runs(state())[0]


def tags_of(uid: str, shackdoo: Run) -> dict[str, str]:
    runs = json.loads(shackdoo("runs", "--json", "--local").stdout)
    found: dict[str, str] = next(run["tags"] for run in runs if run["uid"] == uid)
    return found


FAILS = """
    def callbacks(self):
        import keras

        class Ends(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 1:
                    raise RuntimeError("enough")

        return [Ends()]
"""


@pytest.fixture
def project(own_project: Path) -> Path:
    write_project(own_project)
    return own_project


@pytest.fixture
def trained(project: Path, shackdoo: Run) -> str:
    """The uid of a run."""
    done = shackdoo("train", "task=Child")
    assert done.returncode == 0, done.stderr
    return newest().uid


def tree_of(project: Path) -> dict[str, bytes]:
    """Return the user's own files, git's among them; not what runs leave."""
    left = ("mlflow.db", "mlruns", "data/model", "data/report", "__pycache__")
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and not any(name in str(path) for name in left)
    }


def test_identical_and_nothing_is_left_but_the_new_run(
    project: Path, shackdoo: Run, trained: str
) -> None:
    before = tree_of(project)
    assert wait_shipped(newest().folder, SECONDS).done  # what is not in the store has no tags there
    done = shackdoo("reproduce", trained[:8])
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, IDENTICAL), done.stderr
    assert tree_of(project) == before
    assert list((state() / FOLDER).iterdir()) == []
    new, old = local_runs(state())
    assert old.uid == trained
    assert new.status == "FINISHED"
    assert f"code      the commit {git(project, 'rev-parse', '--short=12', 'HEAD')}" in done.stderr
    assert f"data      line: that of {project}" in done.stderr
    shipping = wait_shipped(new.folder, SECONDS)
    assert shipping.done
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    assert shipping.mlflow_run_id is not None
    tags = client.get_run(shipping.mlflow_run_id).data.tags
    assert (tags["shackdoo.reproduces"], tags["shackdoo.verdict"]) == (trained, "identical")
    recorded = wait_shipped(old.folder, SECONDS).mlflow_run_id
    assert recorded is not None
    tags = client.get_run(recorded).data.tags
    assert (tags["shackdoo.reproduced_by"], tags["shackdoo.reproduced"]) == (new.uid, "identical")
    assert list((project / "data" / "model").glob(f"Child-{new.uid[:8]}.keras"))
    latest = shackdoo("reproduce", "latest", "--dry-run")
    assert f"run {trained}" in latest.stderr  # a reproduction is not meant


@pytest.mark.usefixtures("store_away")
@pytest.mark.slow
@pytest.mark.parametrize("task", ["Mnist_A", "Mnist_B", "Mnist_C"])
def test_every_shipped_task_is_identical(own_project: Path, shackdoo: Run, task: str) -> None:
    few = ("task.parameters.max_steps_per_epoch=10", "task.parameters.dropout=0.1")
    done = shackdoo("train", f"task={task}", *few)
    assert done.returncode == 0, done.stderr
    done = shackdoo("reproduce", "latest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, IDENTICAL), done.stderr


def change(project: Path) -> None:
    (project / "own_net.py").write_text("WIDTH = 5\n")
    (project / "own_task.py").write_text(
        (project / "own_task.py")
        .read_text()
        .replace("import own_net\n", "import own_net\nimport own_more\n")
    )
    (project / "own_more.py").write_text("MORE = 1\n")


@pytest.mark.usefixtures("store_away")
@pytest.mark.parametrize("then", ["committed over", "rolled back", "deleted"])
def test_a_dirty_tree_is_had_again(project: Path, shackdoo: Run, then: str) -> None:
    first = commit(project, "before")
    change(project)
    assert shackdoo("train", "task=Child").returncode == 0
    if then == "committed over":
        (project / "own_net.py").write_text("WIDTH = 9\n")
        commit(project, "over")
    elif then == "rolled back":
        commit(project, "changed")
        git(project, "reset", "--quiet", "--hard", f"{first}~")
    else:
        git(project, "checkout", "--quiet", "--", ".")
        (project / "own_more.py").unlink()
    done = shackdoo("reproduce", "latest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, IDENTICAL), done.stderr
    assert "code      its uncommitted changes, " in done.stderr
    assert "code      1 untracked files" in done.stderr


def test_from_the_store_and_a_clone_on_another_machine(
    tmp_path: Path, project: Path, shackdoo: Run, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wait_shipped(newest().folder, SECONDS).done
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(project), str(clone))
    shutil.copytree(project / "data" / "raw", clone / "data" / "raw")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    monkeypatch.setenv("SHACKDOO_STATE", str(tmp_path / "other"))
    monkeypatch.setenv("SHACKDOO_ROOT", str(clone))
    for name in project.glob("*.py"):
        name.unlink()
    done = shackdoo("reproduce", trained)
    assert done.returncode == 2
    assert f"  commit    {git(clone, 'rev-parse', 'HEAD')}" in done.stderr
    assert done.stderr.endswith(
        f"was not recorded on this machine, and to reproduce it is to run its code. If you trust "
        f"it: shackdoo reproduce {trained[:8]} --yes.\n"
    )
    assert local_runs(tmp_path / "other") == []
    done = shackdoo("reproduce", trained, "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, IDENTICAL), done.stderr


@pytest.mark.usefixtures("store_away")
def test_the_first_epochs_and_several_times_as_json(shackdoo: Run, trained: str) -> None:
    done = shackdoo("reproduce", trained, "--epochs", "2", "--times", "2", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["recorded"], found["verdict"]) == (trained, "identical")
    assert len(found["runs"]) == 2
    one = found["runs"][0]
    assert one["points_compared"] == 4  # loss and val_loss, twice
    assert one["weights"]["now"] is None
    assert newest().status == "FINISHED"
    done = shackdoo("reproduce", trained, "--epochs", "9")
    assert done.returncode == 2
    assert "--epochs 9 is more than the run" in done.stderr


@pytest.mark.usefixtures("store_away")
def test_what_is_missing_is_told_and_nothing_is_done(
    project: Path, shackdoo: Run, trained: str
) -> None:
    (project / "data" / "raw" / "line.npz").unlink()
    done = shackdoo("reproduce", trained)
    assert done.returncode == 3
    assert "error: The data 'line' of the run (sha256 " in done.stderr
    write_data(project, seed=1)
    (project / ".git").rename(project / "gone")
    done = shackdoo("reproduce", trained, "--dry-run")
    assert done.returncode == 3
    assert "MISSING   The commit " in done.stderr
    assert "is not here, and no remote is on record" in done.stderr
    assert len(local_runs(state())) == 1
    assert list((state() / FOLDER).iterdir()) == []


@pytest.mark.usefixtures("store_away")
def test_one_ingredient_of_the_present_is_named(shackdoo: Run, trained: str) -> None:
    one_core = {min(os.sched_getaffinity(0))}
    whole = os.sched_getaffinity(0)
    if whole == one_core:
        pytest.skip("this machine has one core")
    os.sched_setaffinity(0, one_core)
    try:
        done = shackdoo("reproduce", trained, "--here", KERAS_FLOATX="x", TF_ENABLE_NAMED="1")
    finally:
        os.sched_setaffinity(0, whole)
    rows = [line for line in done.stdout.splitlines() if line.endswith("NO")]
    assert rows[0].startswith("determinism threads_used"), done.stdout
    assert rows[1].startswith("environment TF_ENABLE_NAMED")


@pytest.mark.usefixtures("store_away")
def test_a_class_of_a_script_and_an_inference(project: Path, shackdoo: Run) -> None:
    script = """
import shackdoo
from own_task import Child
class Mine(Child):
    "From a script."
    def build_model(self):
        import keras
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
if __name__ == "__main__":
    shackdoo.train(Mine)
"""
    (project / "study.py").write_text(script)
    commit(project, "study")
    run = subprocess.run([sys.executable, "study.py"], cwd=project, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    done = shackdoo("reproduce", "latest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, IDENTICAL), done.stderr
    assert shackdoo("train", "task=Child").returncode == 0
    done = shackdoo("infer", "task=Child", "input=line", "output=-")
    assert done.returncode == 0, done.stderr
    done = shackdoo("reproduce", newest().uid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ("identical: predictions and metrics are bit-identical")


@pytest.mark.usefixtures("store_away")
def test_a_resumed_run_and_one_that_was_killed(project: Path, shackdoo: Run) -> None:
    request = ["train", "task=Child", "task.parameters.epochs=160", "checkpoint.seconds=0.1"]
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", *request], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 20/"):
                break
        process.kill()
    done = shackdoo("reproduce", newest().uid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("identical: metrics are bit-identical")
    killed = next(run for run in local_runs(state()) if run.status == "KILLED")
    assert shackdoo("resume", killed.uid).returncode == 0
    done = shackdoo("reproduce", killed.uid)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, IDENTICAL), done.stderr


@pytest.mark.usefixtures("store_away")
def test_killed_in_the_middle_it_is_cleared_away_by_the_next_command(
    project: Path, shackdoo: Run
) -> None:
    assert shackdoo("train", "task=Child", "task.parameters.epochs=600").returncode == 0
    recorded = newest().uid
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", "reproduce", recorded],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 20/"):
                break
        (child,) = (
            each for each in psutil.Process(process.pid).children() if "train" in each.cmdline()
        )
        process.kill()
    assert list((state() / FOLDER).iterdir())
    done = shackdoo("runs")
    assert done.returncode == 0
    assert "removed what a killed reproduction had left" in done.stderr
    assert list((state() / FOLDER).iterdir()) == []
    psutil.wait_procs([child], timeout=SECONDS)
    end = time.monotonic() + SECONDS
    while newest().status is None and time.monotonic() < end:
        shackdoo("runs", "--local")
    assert newest().status == "KILLED"
    assert next(run for run in local_runs(state()) if run.uid == recorded).status == "FINISHED"


@pytest.mark.usefixtures("store_away")
@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_nothing_of_the_users_touched(
    project: Path, shackdoo: Run, counted: Callable[[int, int], int]
) -> None:
    change(project)  # there are changes to be applied, too
    assert shackdoo("train", "task=Child", "task.parameters.epochs=1500").returncode == 0
    recorded, before = newest().uid, tree_of(project)
    moments = [0.4, 0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0]  # seconds
    for seconds in moments[:: counted(1, 2)]:
        with subprocess.Popen(
            [sys.executable, "-m", "shackdoo.cli", "reproduce", recorded],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process:
            time.sleep(seconds)
            process.kill()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert shackdoo("runs", "--local").returncode == 0
            left = list((state() / FOLDER).iterdir()) if (state() / FOLDER).is_dir() else []
            if not left and None not in {run.status for run in local_runs(state())}:
                break
        assert not left
        assert {run.status for run in local_runs(state())} <= {"FINISHED", "KILLED"}
        assert tree_of(project) == before
        done = shackdoo("reproduce", recorded, "--epochs", "1")
        assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("store_away")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_interrupted_it_leaves_nothing(
    project: Path, shackdoo: Run, trained: str, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", "reproduce", trained],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs are born deaf to Ctrl-C; who presses it is not in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("run  "):
                break
        os.killpg(process.pid, number)
        rest = process.stderr.read()  # up to the end of the last process that writes there
    # Python itself ends by the signal if that comes while a library is imported; shells say 130.
    assert process.returncode in (128 + number, -number), rest
    assert "Traceback" not in rest
    assert list((state() / FOLDER).iterdir()) == []


@pytest.mark.usefixtures("store_away")
def test_runs_that_are_none_to_reproduce(project: Path, shackdoo: Run) -> None:
    assert shackdoo("train", "task=Child", "flows=[fetch_data]").returncode == 0
    done = shackdoo("reproduce", "latest")
    assert done.returncode == 2
    assert (
        "has trained nothing (flows=['fetch_data']), so there is nothing to compare" in done.stderr
    )
    done = shackdoo("reproduce", "latest", "--times", "0")
    assert done.returncode == 2
    assert "'0' is no number from 1 on" in done.stderr


@pytest.mark.usefixtures("store_away")
def test_an_inference_with_refused_inputs(project: Path, shackdoo: Run, trained: str) -> None:
    lines = project / "lines.jsonl"
    lines.write_text("[0, 1, 2, 3]\n[1]\n[3, 2, 1, 0]\n")
    done = shackdoo("infer", "task=Child", f"input={lines}", "output=-", "tracking.keep_days=3")
    assert done.returncode == 1, done.stderr
    done = shackdoo("reproduce", newest().uid)
    assert done.returncode == 0, done.stderr
    assert newest().status == "FINISHED"
    lines.write_text("[0, 1, 2, 3]\n[1]\n[3, 2, 1, 1]\n")
    done = shackdoo("reproduce", local_runs(state())[1].uid)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].startswith("data"), done.stdout
    lines.unlink()
    done = shackdoo("reproduce", local_runs(state())[2].uid)
    assert done.returncode == 3
    assert f"The inputs of the run can't be had: there is no {lines} now." in done.stderr


@pytest.mark.usefixtures("store_away")
def test_a_run_that_fails_and_fails_again(project: Path, shackdoo: Run) -> None:
    text = (project / "own_task.py").read_text()
    (project / "own_task.py").write_text(text + FAILS)
    assert shackdoo("train", "task=Child").returncode == 1
    (project / "own_task.py").write_text(text)
    done = shackdoo("reproduce", "latest")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "identical: metrics are bit-identical",
    ), done.stderr
    assert newest().status == "FAILED"


def test_code_of_another_machine_is_shown_without_moving_the_terminal(
    tmp_path: Path, project: Path, shackdoo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(project)
    (project / "own_more.py").write_text("MORE = 1  # \x1b[2Ahidden\n")
    assert shackdoo("train", "task=Child", "tracking.untracked=true").returncode == 0
    recorded = newest()
    assert wait_shipped(recorded.folder, SECONDS).done
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    monkeypatch.setenv("SHACKDOO_STATE", str(tmp_path / "other"))
    done = shackdoo("reproduce", recorded.uid)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "+WIDTH = 5" in done.stderr
    assert "  untracked/own_more.py, 1 lines\nMORE = 1  # \ufffd[2Ahidden" in done.stderr


@pytest.mark.usefixtures("store_away")
def test_a_manifest_that_was_changed_is_not_relied_on(shackdoo: Run, trained: str) -> None:
    path = state() / "runs" / trained / "files" / "manifest.json"
    content: dict[str, Any] = json.loads(path.read_text())
    content["seed"] = 7
    path.write_text(json.dumps(content))
    done = shackdoo("reproduce", trained)
    assert done.returncode == 2
    assert "has been changed since it was recorded: its sha256 is not the one" in done.stderr
