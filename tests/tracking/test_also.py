"""Trackers beside the journal: slow, broken or unknown ones harm nobody."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from shackdoo.errors import RequestError
from shackdoo.tracking import also
from shackdoo.tracking.also import Patient, Tee, find_trackers
from shackdoo.tracking.memory import MemoryTracker
from shackdoo.tracking.tracker import Artifact


def test_an_unknown_one_is_a_mistake() -> None:
    with pytest.raises(
        RequestError,
        match=r"No tracker 'board' for tracking.also. Installed: none. A package provides one as "
        r"an entry point of the group 'shackdoo.trackers'.",
    ):
        find_trackers(["board"])
    assert find_trackers([]) == []


def test_a_broken_one_is_told_of_once_and_the_first_gets_all() -> None:
    class Broken(MemoryTracker):
        def metrics(self, values: object, step: int) -> None:
            raise ConnectionError("the board is gone")

    first, notices = MemoryTracker(), list[str]()
    other = Patient("board", Broken, notices.append, 0.0)
    tee = Tee(first, [other])
    for step in range(100):
        tee.metrics({"loss": 1.0}, step)
    tee.end("FINISHED")
    assert len(first.recorded_metrics) == 100
    assert notices == [
        "warning: the tracker 'board' failed and gets nothing more: ConnectionError: the board is "
        "gone"
    ]


def test_a_slow_one_is_waited_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(also, "LEAST_PATIENCE", 0.2)
    go_on = threading.Event()

    class Slow(MemoryTracker):
        def metrics(self, values: object, step: int) -> None:
            go_on.wait(60)

    first, notices = MemoryTracker(), list[str]()
    tee = Tee(first, [Patient("board", Slow, notices.append, 0.0)])
    began = time.monotonic()
    for step in range(50):
        tee.metrics({"loss": 1.0}, step)
    assert time.monotonic() - began < 5
    tee.end("FINISHED")
    go_on.set()
    assert first.status == "FINISHED"
    (told,) = notices
    assert told.startswith("warning: the tracker 'board' has not taken ")
    assert told.endswith("the journal has them all.")


def test_what_is_redacted_on_its_way_stays_with_the_journal(tmp_path: Path) -> None:
    (tmp_path / "code.diff").write_text("password")
    first, second = MemoryTracker(), MemoryTracker()
    tee = Tee(first, [Patient("second", lambda: second, pytest.fail, 1.0)])
    tee.attach(Artifact(tmp_path / "code.diff", "", redact=True))
    tee.attach(Artifact(tmp_path / "code.diff", "plain"))
    tee.end("FINISHED")
    assert len(first.attachments) == 2
    assert [item.folder for item in second.attachments] == ["plain"]  # type: ignore[union-attr]
    assert second.status == "FINISHED"
