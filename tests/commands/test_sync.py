"""``shackdoo sync`` and what training says about what is not shipped yet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import die, record, state

from shackdoo.commands.sync import AUTOGROUP
from shackdoo.tracking.journal import JOURNAL, Journal, JournalTracker
from shackdoo.tracking.shipping import (
    Shipping,
    entries_left,
    read_shipping,
    shipping_file,
    wait_shipped,
    write_shipping,
)
from shackdoo.tracking.state import local_runs, prune
from shackdoo.tracking.tracker import Artifact

Run = Callable[..., subprocess.CompletedProcess[str]]

DEAD_SERVER = "http://127.0.0.1:9"
SHIPPED_SECONDS = 120.0


def stored(uri: str) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    everywhere = [each.experiment_id for each in client.search_experiments()]
    return {run.data.tags["shackdoo.run_uid"]: run for run in client.search_runs(everywhere)}


def own_store(project: Path) -> str:
    return f"sqlite:///{project}/mlflow.db"


def test_what_is_left_is_shipped_once_and_counted(shackdoo: Run, own_project: Path) -> None:
    folders = []
    for status in ("FINISHED", "FAILED"):
        folder, tracker = record(own_project, own_store(own_project))
        tracker.end(status)
        folders.append(folder)
    done = shackdoo("sync")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["shipped", "1/2"], ["shipped", "2/2"]]
    assert [folder.name in line for folder, line in zip(folders, lines, strict=True)] == [True] * 2
    assert lines[0].endswith(own_store(own_project))
    again = shackdoo("sync")
    assert (again.returncode, again.stdout) == (0, "nothing to ship\n")
    assert sorted(run.info.status for run in stored(own_store(own_project)).values()) == [
        "FAILED",
        "FINISHED",
    ]


def test_what_cannot_be_shipped_is_told_with_the_way_out(shackdoo: Run, own_project: Path) -> None:
    folder, tracker = record(own_project, DEAD_SERVER)
    tracker.end("FINISHED")
    done = shackdoo("sync")
    assert done.returncode == 1
    told = (
        f"{folder.name}  5 entries for {DEAD_SERVER}: The tracking store {DEAD_SERVER} can't be "
        f"used: Connection refused. `shackdoo sync` tries again; what is recorded stays on disk.\n"
    )
    assert told in done.stderr
    assert done.stderr.endswith("1 of 1 runs are not shipped whole\n")
    assert "Traceback" not in done.stderr


def test_a_misnamed_target_is_a_mistake(shackdoo: Run, own_project: Path) -> None:
    record(own_project, own_store(own_project))[1].end("FINISHED")
    done = shackdoo("sync", "--to", "htp://server")
    assert done.returncode == 2
    assert "begins with 'htp:'" in done.stderr
    assert "Did you mean 'http'?" in done.stderr
    both = shackdoo("sync", "--to", "http://x", "--follow", "latest")
    assert both.returncode == 2
    assert "not allowed with" in both.stderr


def test_a_dead_run_is_closed_by_the_next_command(shackdoo: Run, own_project: Path) -> None:
    folder, tracker = record(own_project, own_store(own_project))
    die(tracker)
    assert shackdoo("sync").returncode == 0
    assert stored(own_store(own_project))[folder.name].info.status == "KILLED"


def test_a_week_without_the_team_server_arrives_whole(
    shackdoo: Run, own_project: Path, empty_team_store: str
) -> None:
    """Real runs on a laptop: a multirun with its parts, one that failed, artifacts and inputs."""
    laptop = own_store(own_project)
    quick = ("task=Mnist_B", "flows=[fetch_data]")
    assert shackdoo("train", *quick, "-m", "seed=1,2", "+tags.note=together").returncode == 0
    assert shackdoo("train", *quick, "experiment=other").returncode == 0
    for run in local_runs(state()):
        assert wait_shipped(run.folder, SHIPPED_SECONDS).done
    for expected in ("shipped", "nothing to ship"):
        done = shackdoo("sync", "--to", empty_team_store)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(expected)
    here, there = stored(laptop), stored(empty_team_store)
    assert here.keys() == there.keys()
    assert len(there) == 4
    for uid, run in there.items():
        own, other = here[uid], run
        assert (own.info.start_time, own.info.end_time) == (
            other.info.start_time,
            other.info.end_time,
        )
        assert (own.info.status, own.info.run_name) == (other.info.status, other.info.run_name)
        assert own.data.params == other.data.params
        assert own.data.metrics == other.data.metrics
        links = {"mlflow.parentRunId", "mlflow.log-model.history", "mlflow.artifactLocation"}
        assert {k: v for k, v in own.data.tags.items() if k not in links} == {
            k: v for k, v in other.data.tags.items() if k not in links
        }
        assert len(own.inputs.dataset_inputs) == len(other.inputs.dataset_inputs)
        assert artifacts(laptop, own) == artifacts(empty_team_store, other)
    (parent,) = (r for r in there.values() if r.data.tags.get("shackdoo.kind") == "multirun")
    parts = [r for r in there.values() if r.data.tags.get("note") == "together"]
    links = {part.data.tags["mlflow.parentRunId"] for part in parts}
    assert links == {parent.info.run_id}
    assert len(parts) == 2
    assert parent.info.status == "FINISHED"
    assert "-m" in parent.data.tags["shackdoo.overrides"]


@pytest.fixture
def empty_team_store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'team.db'}"


def artifacts(uri: str, run: Any) -> dict[str, str]:
    from mlflow import MlflowClient

    from shackdoo.tracking.blobs import file_digest

    client = MlflowClient(uri)
    names = [item.path for item in client.list_artifacts(run.info.run_id) if not item.is_dir]
    return {n: file_digest(Path(client.download_artifacts(run.info.run_id, n))) for n in names}


WAITS = """
import os
import time
from pathlib import Path

from shackdoo.tasks.mnist import Mnist_B
from shackdoo.tracking.shipping import read_shipping
from shackdoo.tracking.state import local_runs


class Waits(Mnist_B):
    "Goes on until its shipper has tried once."

    def fetch_data(self):
        (run,) = local_runs(Path(os.environ["SHACKDOO_STATE"]))
        end = time.monotonic() + 120
        while read_shipping(run.folder).error is None and time.monotonic() < end:
            time.sleep(0.1)
        print("at", time.monotonic())
        return super().fetch_data()
"""


def test_waiting_has_an_end_and_says_what_is_left(shackdoo: Run, own_project: Path) -> None:
    (own_project / "waits.py").write_text(WAITS)
    (own_project / "conf" / "task" / "Waits.yaml").write_text(
        "# @package _global_\ndefaults: [Mnist_B, _self_]\n"
        "task: {name: Waits, _target_: waits.Waits}\n"
    )
    done = shackdoo(
        "train",
        "task=Waits",
        "flows=[fetch_data]",
        f"tracking.uri={DEAD_SERVER}",
        "tracking.wait=4",
    )
    assert done.returncode == 0, done.stderr
    (tried,) = (line for line in done.stdout.splitlines() if line.startswith("at "))
    assert 4 <= time.monotonic() - float(tried.split()[1]) < 60
    (left,) = (line for line in done.stderr.splitlines() if line.startswith("warning: "))
    (run,) = local_runs(state())
    assert f" entries of this run are not in {DEAD_SERVER} yet (" in left
    assert f"They are safe in {run.folder}; shipping goes on in the background" in left
    assert left.endswith("`shackdoo sync` sends what is left.")


@pytest.mark.parametrize(
    ("keep_days", "shipped", "age_days", "gone"),
    [
        (30.0, True, 31, True),
        (30.0, True, 29, False),
        (30.0, False, 400, False),
        (None, True, 400, False),
        (0.0, True, 1, True),
    ],
)
def test_a_record_goes_when_its_store_has_it_and_its_time_is_over(
    own_project: Path, keep_days: float | None, shipped: bool, age_days: int, gone: bool
) -> None:
    folder, tracker = record(own_project, own_store(own_project), keep_days=keep_days)
    tracker.end("FINISHED")
    size = (folder / JOURNAL).stat().st_size
    (folder / shipping_file()).write_text(
        f'{{"offset": {size}, "done": {str(shipped).lower()}, "mlflow_run_id": "x", "error": null}}'
    )
    then = time.time() - age_days * 24 * 3600
    os.utime(folder / shipping_file(), (then, then))
    assert prune(state()) == ([folder.name] if gone else [])
    assert folder.exists() is not gone
    assert not list(folder.parent.glob(".*"))


def test_sync_and_the_shipper_prune(shackdoo: Run, own_project: Path) -> None:
    folder, tracker = record(own_project, own_store(own_project), keep_days=0.0)
    tracker.end("FINISHED")
    assert shackdoo("sync").returncode == 0
    assert not folder.exists()
    assert stored(own_store(own_project)).keys() == {folder.name}


def test_whoever_waits_for_a_run_that_goes_at_once_is_told_that_it_is_shipped(
    shackdoo: Run, own_project: Path
) -> None:
    folder, tracker = record(own_project, own_store(own_project), keep_days=0.0)
    tracker.end("FINISHED")
    assert not wait_shipped(folder, 0.0).done
    assert shackdoo("sync").returncode == 0
    assert wait_shipped(folder, 0.0).done


def test_a_run_that_goes_on_is_not_shipped_any_more(own_project: Path) -> None:
    folder, tracker = record(own_project, own_store(own_project))
    tracker.end("KILLED")
    size = (folder / JOURNAL).stat().st_size
    JournalTracker(folder, None).end("FINISHED")
    write_shipping(folder, Shipping(offset=size, done=True))  # by the shipper of what was killed
    assert not wait_shipped(folder, 0.0).done
    assert entries_left(folder) == 2
    write_shipping(folder, Shipping(offset=size, done=True, error="deleted"))  # none is wanted
    assert wait_shipped(folder, 0.0).done


def test_a_run_is_read_while_it_goes_on(own_project: Path) -> None:
    folder, tracker = record(own_project, own_store(own_project))
    assert [run.status for run in local_runs(state())] == [None]
    assert not read_shipping(folder).done
    tracker.end("FINISHED")
    shutil.rmtree(folder)


def test_sync_says_nothing_but_what_it_did(shackdoo: Run, own_project: Path) -> None:
    folder, tracker = record(own_project, own_store(own_project))
    (own_project / "notes.txt").write_text("hello")
    tracker.attach(Artifact(own_project / "notes.txt", ""))
    tracker.end("FINISHED")
    done = shackdoo("sync")
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert folder.name in done.stdout


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system does not weigh whole sessions")
def test_the_session_of_a_shipper_steps_aside_while_its_training_runs(tmp_path: Path) -> None:
    """Its niceness alone says nothing to the sessions of others, as that of the training."""
    journal = Journal(tmp_path / "journal.jsonl")
    code = (
        "import sys; from pathlib import Path; from shackdoo.commands import sync\n"
        "sync._step_aside(Path(sys.argv[1])); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "journal.jsonl")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as shipper:
        assert shipper.stdout is not None
        shipper.stdout.readline()
        session = Path(f"/proc/{shipper.pid}/autogroup")
        assert session.read_text().endswith("nice 19\n")
        time.sleep(0.3)
        assert session.read_text().endswith("nice 19\n")
        journal.close()
        end = time.monotonic() + SHIPPED_SECONDS
        while session.read_text().endswith("nice 19\n") and time.monotonic() < end:
            time.sleep(0.05)
        assert session.read_text().endswith("nice 0\n")
        shipper.communicate(b"\n")
