"""A run that goes on records nothing twice, and notices what comes out otherwise."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from recorded_run import journal_of

from shackdoo.tracking.continued import Continued, read_recorded
from shackdoo.tracking.journal import JOURNAL, JournalTracker, read_entries
from shackdoo.tracking.state import read_run
from shackdoo.tracking.tracker import DataInput

DATA = DataInput("digits", "0" * 64, "/digits", "training")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / ("a" * 32)
    tracker = journal_of(folder)
    tracker.params({"seed": 1})
    tracker.attach(DATA)
    tracker.metrics({"loss": 0.5, "epoch_seconds": 9.0}, 1)
    tracker.metrics({"loss": 0.4, "odd": math.nan}, 2)
    tracker.metrics({"system/cpu": 3.0}, 0)
    tracker.metrics({"batch_loss": 0.6}, 100)
    tracker.tags({"shackdoo.error": "RunError: no"})
    tracker.end("FAILED")
    return folder


def kinds(folder: Path) -> list[str]:
    return [entry["kind"] for entry, _ in read_entries(folder / JOURNAL)]


def test_what_is_on_record(folder: Path) -> None:
    recorded = read_recorded(folder / JOURNAL)
    assert recorded.history() == {
        "epoch_seconds": [9.0],
        "loss": [0.5, 0.4],
    }
    assert recorded.next_sample() == 1
    assert recorded.tags == {"shackdoo.error": "RunError: no"}
    assert (recorded.params, recorded.data, recorded.model) == ({"seed"}, {"digits"}, False)
    assert recorded.resumes == 0


def test_only_what_is_new_is_recorded(folder: Path) -> None:
    before = len(kinds(folder))
    tracker = Continued(JournalTracker(folder, None), read_recorded(folder / JOURNAL))
    tracker.params({"seed": 1})
    tracker.attach(DATA)
    tracker.metrics({"loss": 0.5, "epoch_seconds": 11.0}, 1)
    tracker.metrics({"loss": 0.4, "odd": math.nan, "accuracy": 0.9}, 2)
    tracker.metrics_at_steps([(100, {"batch_loss": 0.6}), (101, {"batch_loss": 0.7})])
    tracker.end("FINISHED")
    assert kinds(folder)[before:] == ["resume", "metrics", "metrics", "end"]
    *_, (one, _), (other, _), _ = read_entries(folder / JOURNAL)
    assert (one["values"], one["step"]) == ({"accuracy": 0.9}, 2)
    assert (other["values"], other["step"]) == ({"batch_loss": 0.7}, 101)
    assert tracker.differing == []
    assert read_recorded(folder / JOURNAL).resumes == 1


def test_another_value_is_noticed_and_the_first_one_stays(folder: Path) -> None:
    tracker = Continued(JournalTracker(folder, None), read_recorded(folder / JOURNAL))
    tracker.metrics({"loss": 0.4000001}, 2)
    tracker.metrics_at_steps([(100, {"batch_loss": 0.5})])
    assert tracker.differing == [
        (("loss", 2), 0.4, 0.4000001),
        (("batch_loss", 100), 0.6, 0.5),
    ]
    tracker.end("FINISHED")
    assert read_recorded(folder / JOURNAL).metrics[("loss", 2)] == 0.4


def test_a_run_that_goes_on_has_no_end(folder: Path) -> None:
    tracker = JournalTracker(folder, None)
    run = read_run(folder)
    assert run is not None and run.status is None
    with pytest.raises(BlockingIOError):
        JournalTracker(folder, None)
    tracker.end("FINISHED")
    run = read_run(folder)
    assert run is not None and run.status == "FINISHED"


def test_a_torn_line_is_cut_before_it_goes_on(folder: Path) -> None:
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"kind":"metr')
    JournalTracker(folder, None).end("FINISHED")
    assert kinds(folder)[-3:] == ["end", "resume", "end"]
