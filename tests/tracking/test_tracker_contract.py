"""What every tracker must do; the double in memory passes the same tests as the journal."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.tracking.also import Patient, Tee
from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.memory import MemoryTracker
from shackdoo.tracking.tracker import Artifact, DataInput, RunTracker


def entries(folder: Path) -> list[dict[str, Any]]:
    return [entry for entry, _ in read_entries(folder / JOURNAL)]


class Memory:
    def __init__(self) -> None:
        self.tracker: RunTracker = MemoryTracker()

    def metrics(self) -> list[tuple[str, float, int]]:
        return self.tracker.recorded_metrics  # type: ignore[attr-defined]

    def params(self) -> dict[str, object]:
        return self.tracker.recorded_params  # type: ignore[attr-defined]

    def tags(self) -> dict[str, str]:
        return self.tracker.recorded_tags  # type: ignore[attr-defined]

    def status(self) -> str:
        return self.tracker.status  # type: ignore[attr-defined]

    def attached(self) -> int:
        return len(self.tracker.attachments)  # type: ignore[attr-defined]


class OnDisk:
    def __init__(self, folder: Path, tracker: RunTracker) -> None:
        self.folder, self.tracker = folder, tracker

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in entries(self.folder) if entry["kind"] == kind]

    def metrics(self) -> list[tuple[str, float, int]]:
        return [(k, v, e["step"]) for e in self.of("metrics") for k, v in e["values"].items()]

    def params(self) -> dict[str, object]:
        return {k: v for e in self.of("params") for k, v in e["values"].items()}

    def tags(self) -> dict[str, str]:
        return {k: v for e in self.of("tags") for k, v in e["values"].items()}

    def status(self) -> str:
        return self.of("end")[0]["status"]

    def attached(self) -> int:
        return len(self.of("artifact") + self.of("datainput"))


class Teed(Memory):
    """The second tracker beside a journal, seen once it has taken what it was handed."""

    def __init__(self, journal: RunTracker) -> None:
        self.memory = MemoryTracker()
        self.other = Patient("memory", lambda: self.memory, pytest.fail, 0.0)
        self.tracker: RunTracker = Tee(journal, [self.other])

    def metrics(self) -> list[tuple[str, float, int]]:
        return self._caught_up().recorded_metrics

    def params(self) -> dict[str, object]:
        return self._caught_up().recorded_params

    def tags(self) -> dict[str, str]:
        return self._caught_up().recorded_tags

    def status(self) -> str:
        return str(self._caught_up().status)

    def attached(self) -> int:
        return len(self._caught_up().attachments)

    def _caught_up(self) -> MemoryTracker:
        reached = threading.Event()
        self.other.tell(lambda _: reached.set())
        reached.wait(0.5)  # after the end nobody answers any more, nor need they
        return self.memory


@pytest.fixture(params=["memory", "journal", "beside a journal"])
def recorded(request: pytest.FixtureRequest, open_run: Callable[..., Any]) -> Memory | OnDisk:
    if request.param == "memory":
        return Memory()
    folder, tracker = open_run()
    return OnDisk(folder, tracker) if request.param == "journal" else Teed(tracker)


def test_numbers_are_kept_exactly(recorded: Memory | OnDisk) -> None:
    values = {"loss": 0.1 + 0.2, "tiny": 5e-324, "huge": math.inf}
    recorded.tracker.metrics(values, step=3)
    recorded.tracker.metrics({"loss": math.nan}, step=4)
    *exact, (name, number, step) = recorded.metrics()
    assert exact == [(key, value, 3) for key, value in values.items()]
    assert (name, math.isnan(number), step) == ("loss", True, 4)


def test_several_steps_at_once(recorded: Memory | OnDisk) -> None:
    recorded.tracker.metrics_at_steps([(5, {"loss": 0.25, "accuracy": 0.5}), (7, {"loss": 0.125})])
    assert recorded.metrics() == [("loss", 0.25, 5), ("accuracy", 0.5, 5), ("loss", 0.125, 7)]


def test_params_tags_and_attachments(recorded: Memory | OnDisk, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("日本語")
    recorded.tracker.params({"task.parameters.epochs": 3, "debug": None})
    recorded.tracker.tags({"note": "first"})
    recorded.tracker.tags({"note": "second"})
    recorded.tracker.attach(Artifact(file, "folder"))
    recorded.tracker.attach(DataInput("mnist", "0" * 64, "data/raw/mnist.pkl.gz", "training"))
    assert recorded.params() == {"task.parameters.epochs": 3, "debug": None}
    assert recorded.tags() == {"note": "second"}
    assert recorded.attached() == 2


def test_nothing_is_recorded_after_the_end(recorded: Memory | OnDisk) -> None:
    recorded.tracker.end("KILLED")
    assert recorded.status() == "KILLED"
    with pytest.raises(ValueError, match="has ended"):
        recorded.tracker.metrics({"loss": 1.0}, step=1)
