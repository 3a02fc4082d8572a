"""From what a user calls a run to the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded import record

from shackdoo.commands.run_lookup import RunLookup
from shackdoo.config.project import find_project
from shackdoo.config.schema import BestSpec
from shackdoo.errors import RequestError

BEST = BestSpec(metric="val_accuracy", mode="max")
LEAST = BestSpec(metric="val_loss", mode="min")


@pytest.fixture
def uids(own_project: Path) -> dict[str, str]:
    """Runs of two tasks: good, bad, of another task, failed, an inference, of another project."""
    made: dict[str, str] = {}

    def make(name: str, task: str = "A", status: Any = "FINISHED", **more: Any) -> None:
        root = more.pop("root", own_project)
        made_at = 1_000_000 + len(made)
        folder, tracker = record(root, f"sqlite:///{own_project}/x.db", 1, start_time=made_at)
        tags = {"shackdoo.task": task, "shackdoo.weights_sha256": "w"}
        tracker.tags({**tags, **more.pop("tags", {})})
        tracker.metrics(more, step=1)
        tracker.end(status)
        made[name] = folder.name

    make("good", val_accuracy=0.9, val_loss=0.3)
    make("bad", val_accuracy=0.8, val_loss=0.1)
    make("other task", task="B", val_accuracy=0.99)
    make("failed", status="FAILED", val_accuracy=1.0)
    make("not a number", val_accuracy=float("nan"))
    make("answers", tags={"shackdoo.kind": "infer"}, val_accuracy=1.0)
    make("elsewhere", root=own_project / "elsewhere", val_accuracy=0.5)
    return made


@pytest.fixture
def lookup(uids: dict[str, str]) -> RunLookup:
    return RunLookup(find_project())


def test_a_run_is_found_by_its_beginning(lookup: RunLookup, uids: dict[str, str]) -> None:
    assert lookup.find(uids["bad"]).uid == uids["bad"]
    assert lookup.find(uids["bad"][:8]).uid == uids["bad"]


def test_latest_is_the_newest_of_this_project_and_of_the_task(
    lookup: RunLookup, uids: dict[str, str]
) -> None:
    assert lookup.find("latest").uid == uids["answers"]
    assert lookup.find_trained("latest", None, None).uid == uids["not a number"]
    assert lookup.find_trained("latest", "B", None).uid == uids["other task"]


def test_best_is_by_the_metric_and_mode_of_the_configuration(
    lookup: RunLookup, uids: dict[str, str]
) -> None:
    assert lookup.find_trained("best", "A", BEST).uid == uids["good"]
    assert lookup.find_trained("best", "A", LEAST).uid == uids["bad"]


@pytest.mark.parametrize(
    ("wanted", "task", "best", "message"),
    [
        ("abc", None, None, "'abc' is too short for a run's id: give at least 4 characters of it"),
        ("zzzz", None, None, "No run 'zzzz' on this machine or in the store. The newest:"),
        ("latest", "C", None, "No trained run of the task C of this project is on this machine"),
        ("best", None, None, "'best' needs a task: what is best is set in its configuration."),
        ("best", "B", LEAST, "No finished run of the task B has the metric 'val_loss' that best"),
    ],
)
def test_what_is_not_there_is_told(
    lookup: RunLookup, wanted: str, task: str | None, best: BestSpec | None, message: str
) -> None:
    with pytest.raises(RequestError) as error:
        lookup.find_trained(wanted, task, best)
    assert message in str(error.value)


def test_a_run_without_a_model_is_told(lookup: RunLookup, uids: dict[str, str]) -> None:
    with pytest.raises(RequestError, match=r"has left no model\. Runs with a model: "):
        lookup.find_trained(uids["answers"], "A", None)


def test_the_beginning_of_several_is_asked_about(own_project: Path) -> None:
    for end in "12":
        record(own_project, f"sqlite:///{own_project}/x.db", 1)[1].end("FINISHED")
        del end
    runs = Path(own_project.parent / "state" / "runs")
    first, second = sorted(runs.iterdir())
    twin = second.with_name(first.name[:30] + ("00" if not first.name.endswith("00") else "11"))
    second.rename(twin)
    with pytest.raises(RequestError, match="is the beginning of 2 runs"):
        RunLookup(find_project()).find(first.name[:30])


def test_a_store_that_does_not_answer_is_said_when_nothing_is_found(
    own_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(RequestError, match="The store was not looked through: "):
        RunLookup(find_project()).find("zzzz")
