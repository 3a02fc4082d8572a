"""``shackdoo report``: the page of a run from its record, wherever that is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.cli import main
from shackdoo.commands.parent_task import ANSWER
from shackdoo.tracking.journal import JournalTracker
from shackdoo.tracking.tracker import Artifact, Figure
from tests.commands.recorded import record
from tests.report.runs_shown import content, manifest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded(own_project: Path, tmp_path: Path) -> Callable[..., tuple[Path, JournalTracker]]:
    """Record a run with its manifest; ``content`` is the one its report is made of."""

    def make(shown: dict[str, Any] | None = None, **changes: Any) -> tuple[Path, JournalTracker]:
        folder, tracker = record(own_project, f"sqlite:///{tmp_path}/store.db", **changes)
        files = folder / "files"
        files.mkdir()
        tracker.tags({"shackdoo.task": "Mnist_B", "shackdoo.tag": "Mnist_B"})
        tracker.tags({"shackdoo.lineage": "Mnist_B < Mnist_A < Task"})
        (files / "manifest.json").write_text(json.dumps(manifest()))
        tracker.attach(Artifact(files / "manifest.json", ""))
        if shown is not None:
            shown["run"]["uid"] = folder.name
            (files / "report.json").write_text(json.dumps(shown))
            page = own_project / "data" / "report" / "x" / "report.html"
            tracker.attach(Figure("report", files / "report.json", page, "report"))
            tracker.attach(Artifact(files / "report.json", "report"))
        return folder, tracker

    return make


def made(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The page that the command has made and named."""
    assert main(["report", *arguments]) == 0
    return Path(capsys.readouterr().out.strip()).read_text()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_the_page_of_a_run_is_made_anew(
    recorded: Any, own_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, tracker = recorded(content())
    tracker.end("FINISHED")
    page = made(capsys, folder.name[:6])
    assert (own_project / "data" / "report" / f"name-{folder.name[:8]}" / "report.html").is_file()
    assert "Worst mistakes" in page
    assert made(capsys, "latest") == page
    assert '<html lang="ja">' in made(capsys, "latest", "--language", "ja")


def test_a_page_goes_where_it_is_wanted(
    recorded: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, tracker = recorded(content())
    tracker.end("FINISHED")
    file = tmp_path / "page.html"
    assert made(capsys, "latest", "--output", str(file)) == file.read_text()


def test_runs_are_compared(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    uids = []
    for seed in (1, 2):
        folder, tracker = recorded(content(manifest=manifest(config={"seed": seed})))
        tracker.end("FINISHED")
        uids.append(folder.name)
    page = made(capsys, *uids)
    assert "Runs compared" in page
    assert all(uid in page for uid in uids)
    assert re.search(r"seed</th><td>1</td><td>2</td>", page)


def test_a_run_that_goes_on_has_a_page(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder, tracker = recorded(points=2)
    (folder / "files" / ANSWER).write_text(
        '{"parent": "Mnist_A", "skipped": [], "changes": [], "error": null}'
    )
    page = made(capsys, "latest")
    assert "The run has not ended" in page
    assert "loss over 2 epochs" in page
    assert "Every setting is the same." in page
    assert "Mnist_B &lt; Mnist_A &lt; Task" in page
    tracker.end("KILLED")


def test_a_run_that_failed_before_its_first_epoch_has_a_page(
    recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _, tracker = recorded(points=0)
    tracker.tags({"shackdoo.error": "RuntimeError: no such luck"})
    tracker.end("FAILED")
    page = made(capsys, "latest")
    assert "The run failed" in page
    assert "RuntimeError: no such luck" in page


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_of_another_machine_comes_from_the_store(
    recorded: Any,
    shackdoo: Run,
    kept: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, tracker = recorded(content() if kept else None)
    tracker.end("FINISHED")
    assert shackdoo("sync").returncode == 0
    monkeypatch.setenv("SHACKDOO_STATE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    page = made(capsys, folder.name)
    assert folder.name in page
    assert ("Worst mistakes" in page) == kept
    assert f"loss over {3} epochs" in page
    assert "How to run it again" in page


def test_a_run_that_does_not_exist(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    folder, _ = recorded()
    said = refused(capsys, "zzzz")
    assert "No run 'zzzz' on this machine or in the store." in said
    assert folder.name[:8] in said


def test_the_beginning_of_several_runs(
    own_project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = iter(["abcd" + "0" * 28, "abcd" + "1" * 28])
    monkeypatch.setattr("tests.commands.recorded.new_run_uid", lambda: next(uids))
    for _ in range(2):
        record(own_project, "sqlite:///x.db")
    said = refused(capsys, "abcd")
    assert "'abcd' is the beginning of 2 runs" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: RUN. `shackdoo report --help` lists"),
        (["latest", "--language", "fr"], "argument --language: invalid choice: 'fr'"),
        (["latest", "--bad"], "unrecognized arguments: --bad"),
        (["latest", "--output", "{tmp}/no/x.html"], "{tmp}/no of --output does not exist. Make it"),
        (["latest", "--output", "{tmp}"], "{tmp} is a folder. Name a file: {tmp}/report.html"),
        (["latest", "latest"], "is named twice. Name each run once."),
        (["latest"] * 13, "13 runs are too many for one page. Name at most 12."),
    ],
)
def test_a_request_that_is_wrong(
    arguments: list[str],
    said: str,
    recorded: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recorded()
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert said.format(tmp=tmp_path) in refused(capsys, *filled)


def test_without_any_run(own_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "of this project is on this machine yet" in refused(capsys, "latest")


def test_content_that_makes_no_page_is_named(
    recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, tracker = recorded(content() | {"parts": [{"kind": "table"}]})
    tracker.end("FINISHED")
    assert main(["report", "latest"]) == 1
    assert f"What is recorded of {folder.name} makes no page: KeyError" in capsys.readouterr().err


def test_help_and_the_page_of_a_local_run_load_nothing_heavy(recorded: Any) -> None:
    _, tracker = recorded(content())
    tracker.end("FINISHED")
    heavy = {"tensorflow", "keras", "mlflow", "matplotlib"}
    code = f"""
import sys
from shackdoo.cli import main
assert main(["report", "latest"]) == 0
print({heavy} & set(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


# ── from a training to its page ─────────────────────────────────────────────────────────────

PRICES = """
from shackdoo.task import Task
from shackdoo.training.dataset import Split
class Prices(Task):
    '''A price from three numbers.'''
    def splits(self, raw):
        half = len(raw["x"]) // 2
        return Split(raw["x"][:half], raw["y"][:half]), Split(raw["x"][half:], raw["y"][half:])
    def build_model(self):
        import keras
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    def loss(self):
        return "mse"
    def report_parts(self, dataset, test):
        if self.config.tag == "broken":
            raise ValueError("no such part")
        return super().report_parts(dataset, test)
"""
PRICES_YAML = """# @package _global_
experiment: prices
catalog: {prices: {layer: raw, file: data/raw/prices.npz, format: npz}}
task: {name: Prices, _target_: my_prices.Prices, data: prices}
"""


@pytest.fixture
def prices(own_project: Path) -> Path:
    import numpy as np

    (own_project / "my_prices.py").write_text(PRICES)
    (own_project / "conf" / "task" / "Prices.yaml").write_text(PRICES_YAML)
    (own_project / "data" / "raw").mkdir(parents=True)
    x = np.random.default_rng(0).normal(size=(600, 3)).astype("float32")
    np.savez(own_project / "data" / "raw" / "prices.npz", x=x, y=x.sum(axis=1))
    return own_project


def test_a_training_of_numbers_leaves_its_page_and_description(
    prices: Path, shackdoo: Run, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    done = shackdoo(
        *("train", "task=Prices", "report.language=ja", "tracking.wait=100"),
        *("task.parameters.epochs=2", "+tags.note='<script>'"),
    )
    assert done.returncode == 0, done.stderr
    (page,) = (prices / "data" / "report").glob("*/report.html")
    text = page.read_text()
    for told in (
        "予測値と正解値",
        "誤差の大きい例",
        "A price from three numbers.",
        "Task を直接継承",
    ):
        assert told in text
    assert "<script" not in text
    client = MlflowClient(f"sqlite:///{prices}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("prices").experiment_id])
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id, "report")}
    assert artifacts == {
        f"report/{n}" for n in ("report.html", "report.json", "learning_curves.png")
    }
    sent = client.download_artifacts(run.info.run_id, "report/report.html", str(tmp_path))
    assert Path(sent).read_text() == text
    assert "- **結果**: 完了; " in run.data.tags["mlflow.note.content"]
    again = tmp_path / "again.html"
    assert shackdoo("report", "latest", "--output", str(again)).returncode == 0
    assert again.read_text() == text


@pytest.mark.usefixtures("store_away")
def test_a_hook_that_fails_costs_its_parts_and_not_the_run(prices: Path, shackdoo: Run) -> None:
    done = shackdoo("train", "task=Prices", "tag=broken", "tracking=off")
    assert done.returncode == 0, done.stderr
    said = "warning: Prices.report_parts failed: ValueError: no such part"
    assert said in done.stderr
    (page,) = (prices / "data" / "report").glob("*/report.html")
    assert "Learning curves" in page.read_text()
