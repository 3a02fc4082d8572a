"""The runs of this machine as a list shows them, and with those of a store."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.listing import ListedRun, Shipped, list_local, merged, told_uid
from shackdoo.tracking.shipping import Shipping, write_shipping

Open = Callable[..., Any]


def listed(**changes: Any) -> ListedRun:
    fields: dict[str, Any] = {
        "run_uid": "ab" * 16,
        "mlflow_run_id": "12" * 16,
        "experiment": "digits",
        "run_name": "name",
        "status": "FINISHED",
        "start_time": 1000,
        "end_time": 2000,
        "params": {},
        "metrics": {},
        "tags": {},
        "store": "http://server",
        "shipped": None,
    }
    return ListedRun(**{**fields, **changes})


def die(tracker: Any) -> None:
    """Do what the kernel does to a process that dies: its lock is gone, nothing is written."""
    journal = tracker._journal
    journal._closing.set()
    journal._unsynced.set()
    journal._syncer.join()  # while it syncs, the lock stays
    os.close(journal._file)


def test_what_a_journal_comes_to(state: Path, open_run: Open) -> None:
    folder, tracker = open_run(experiment="数字", run_name="名前")
    tracker.params({"task.parameters.epochs": 3, "optimizer.schedule": None})
    tracker.tags({"shackdoo.task": "Mnist_B", "shackdoo.tag": "first"})
    for step, loss in ((1, 0.5), (2, math.nan), (0, 7.0)):
        tracker.metrics({"loss": loss}, step=step)
    tracker.tags({"shackdoo.tag": "second"})
    tracker.end("FINISHED")
    (run,) = list_local(state)
    assert (run.run_uid, run.uid) == (folder.name, folder.name)
    assert (run.experiment, run.run_name, run.status) == ("数字", "名前", "FINISHED")
    assert run.params == {"task.parameters.epochs": "3", "optimizer.schedule": "None"}
    assert math.isnan(run.metrics["loss"])
    assert (run.task, run.tag) == ("Mnist_B", "second")
    assert run.tags["shackdoo.run_uid"] == folder.name
    assert run.start_time < (run.end_time or 0)
    assert run.shipped == Shipped(done=False, entries_left=8, error=None)


def test_a_damaged_line_and_a_folder_without_a_header_harm_nobody(
    state: Path, open_run: Open
) -> None:
    folder, tracker = open_run()
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"kind": "metrics", "val\xff\n')
    tracker.metrics({"loss": 0.25}, step=0)
    tracker.end("FINISHED")
    other, headless = open_run()
    headless.end("FINISHED")
    (other / JOURNAL).write_bytes(b"\x00\x00\n")
    shutil.copytree(folder, folder.with_name("empty"), ignore=shutil.ignore_patterns(JOURNAL))
    (run,) = list_local(state)
    assert run.metrics == {"loss": 0.25}


def test_a_dead_run_is_closed_and_a_living_one_is_not(state: Path, open_run: Open) -> None:
    dead, tracker = open_run(start_time=1)
    tracker.metrics({"loss": 0.5}, step=0)
    die(tracker)
    living, going_on = open_run(start_time=2)
    runs = list_local(state)
    assert [(run.uid, run.status) for run in runs] == [
        (living.name, "RUNNING"),
        (dead.name, "KILLED"),
    ]
    entries = [entry for entry, _ in read_entries(dead / JOURNAL)]
    assert runs[1].end_time == entries[-2]["time"]
    assert runs[0].end_time is None
    going_on.end("FINISHED")


def test_how_far_a_run_is_shipped(state: Path, open_run: Open) -> None:
    folder, tracker = open_run()
    tracker.end("FINISHED")
    write_shipping(folder, Shipping(0, False, "34" * 16, "away"))
    (run,) = list_local(state)
    assert run.shipped == Shipped(done=False, entries_left=2, error="away")
    assert run.mlflow_run_id == "34" * 16
    write_shipping(folder, Shipping((folder / JOURNAL).stat().st_size, True, "34" * 16))
    (run,) = list_local(state)
    assert run.shipped == Shipped(done=True, entries_left=0, error=None)


def test_a_run_of_both_is_one() -> None:
    here = listed(
        mlflow_run_id=None, experiment="", params={"a.b": "1"}, shipped=Shipped(False, 3, None)
    )
    there = listed(status="RUNNING", params={"a.c": "2"}, tags={"note": "good"}, run_name="new")
    foreign = listed(run_uid=None, mlflow_run_id="56" * 16, start_time=3000)
    assert merged([here], [there, foreign]) == [
        foreign,
        replace(
            here,
            mlflow_run_id=there.mlflow_run_id,
            experiment="digits",
            run_name="new",
            params={"a.b": "1", "a.c": "2"},
            tags={"note": "good"},
        ),
    ]


def test_a_run_that_was_joined_is_one_before_the_store_knows_its_uid() -> None:
    here, there = listed(shipped=Shipped(False, 9, None)), listed(run_uid=None)
    assert merged([here], [there]) == [here]


@pytest.mark.parametrize("uid", ["/home/u/thesis", "../../x", "a' or '1'='1", "", "ABC", "0" * 31])
def test_a_tag_that_is_no_uid_names_no_folder(uid: str) -> None:
    assert told_uid({"shackdoo.run_uid": uid}) is None
    assert told_uid({"shackdoo.run_uid": "0123456789abcdef" * 2}) == "0123456789abcdef" * 2
