"""Two runs beside each other: what differs, their code, and what it did to the results."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from program import Program

from shackdoo.commands.code_states import CodeDiff, code_diff
from shackdoo.commands.recorded_run import MANIFEST, RecordedRun
from shackdoo.config.project import Project
from shackdoo.tracking.listing import list_local
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import local_runs

BASE = """import os

from shackdoo.tasks.mnist import Mnist_A

BIAS = 0.0


class Base(Mnist_A):
    '''A parent of the task.'''

    def build_model(self):
        if "OWN_FAULT" in os.environ:
            raise RuntimeError("out of luck")
        model = super().build_model()
        model.weights[-1].assign_add(model.weights[-1] * 0 + BIAS)
        return model
"""
DIGITS = """from own.base import Base
from own.helper import HELP


class Digits(Base):
    '''A task.'''
"""
YAML = """# @package _global_
defaults: [Mnist_B, _self_]
task: {name: Digits, _target_: own.digits.Digits}
"""
SHORT = (
    *("task.parameters.epochs=1", "task.parameters.max_steps_per_epoch=4", "report.page=false"),
    *("tracking.every_steps=1", "determinism.threads=1"),
)
FETCH = ("flows=[fetch_data]",)
SECONDS = 120.0


@dataclass
class Bench:
    """A project in a repository, and runs of it by name."""

    top: Path
    program: Program
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.top / "project"

    @property
    def state(self) -> Path:
        return self.top / "state"

    def shackdoo(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {
            "SHACKDOO_ROOT": str(self.project),
            "SHACKDOO_STATE": str(self.state),
            "PYTHONPATH": str(self.project),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        variables = {**os.environ, **own, **environment}
        return self.program.run(*arguments, cwd=self.top, environment=variables)

    def train(self, name: str, *request: str, code: int = 0, **environment: str) -> None:
        done = self.shackdoo("train", "task=Digits", *request, **environment)
        assert done.returncode == code, done.stderr
        self.runs[name] = local_runs(self.state)[0].uid

    def diff(self, first: str, second: str, *options: str, code: int, **environment: str) -> str:
        done = self.shackdoo("diff", self.runs[first], self.runs[second], *options, **environment)
        assert done.returncode == code, done.stderr
        return done.stdout if code < 2 else done.stderr

    def git(self, *command: str) -> str:
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        done = subprocess.run(
            ["git", "-C", str(self.top), *who, *command],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def commit(self, path: str, text: str) -> None:
        (self.project / path).write_text(text)
        self.git("add", "project")
        self.git("commit", "-m", path)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Bench:
    """Runs of a task: twice the same, with another seed, with code that was changed and how."""
    made = Bench(tmp_path_factory.mktemp("diff"), program)
    (made.project / "conf" / "task").mkdir(parents=True)
    (made.project / "own").mkdir()
    for name, text in (
        ("MLproject", "name: own\n"),
        (".gitignore", "*mlflow.db*\nmlruns/\ndata/\n"),
        ("conf/task/Digits.yaml", YAML),
        ("own/__init__.py", ""),
        ("own/base.py", BASE),
        ("own/digits.py", DIGITS),
        ("own/helper.py", "HELP = 1\n"),
    ):
        (made.project / name).write_text(text)
    made.git("init", "-b", "main")
    (made.top / ".git" / "info" / "exclude").write_text("state/\n")
    made.git("add", "project")
    made.git("commit", "-m", "all")
    made.train("first", *SHORT)
    made.train("again", *SHORT)
    made.train("failed", *SHORT, code=1, OWN_FAULT="1")
    made.train("seed", *SHORT, "seed=7")
    (made.project / "own" / "base.py").write_text(BASE.replace("BIAS = 0.0", "BIAS = 0.25"))
    made.train("parent", *SHORT, "tracking.wait=60")
    made.git("checkout", "--", "project")
    made.train("fetched", *FETCH)
    made.commit("README", "new\n")
    made.train("readme", *FETCH)
    made.commit("own/helper.py", "HELP = 2\n")
    made.train("helper", *FETCH)
    for run in local_runs(made.state):
        wait_shipped(run.folder, SECONDS)
    return made


def test_the_same_run_twice_differs_in_nothing(bench: Bench) -> None:
    told = bench.diff("first", "again", code=0)
    assert "Of what the runs are made of nothing is known to differ" in told
    assert "Results: identical" in told
    assert "  curves       equal in all " in told
    assert told.count("equal") >= 6
    assert "Code" not in told


def test_another_seed(bench: Bench) -> None:
    found = json.loads(bench.diff("first", "seed", "--json", code=1))
    assert [(each["name"], each["first"], each["second"]) for each in found["differences"]] == [
        ("seed", 42, 7)
    ]
    effect = found["effect"]
    assert (effect["same_weights"], effect["same_predictions"]) == (False, False)
    assert (effect["parting"]["unit"], effect["parting"]["at"]) == ("step", 1)
    for letter, name in (("first", "first"), ("second", "seed")):
        manifest = json.loads(
            (bench.state / "runs" / bench.runs[name] / "files" / MANIFEST).read_text()
        )
        metrics = manifest["results"]["metrics"]
        for metric, pair in effect["metrics"].items():
            assert pair[letter] == metrics[metric]
        assert len(effect["metrics"]) >= 4
    assert found["code"] == {"files": [], "diff": "", "cut": False, "notes": []}


def test_a_changed_line_in_a_parent_class(bench: Bench) -> None:
    """It is told from the records alone; the user's repository stays as it is, to the byte."""
    (bench.project / "own" / "digits.py").write_text("being edited\n")
    before = bench.git("status", "--porcelain"), snapshot(bench.top / ".git")
    told = bench.diff("first", "parent", code=1)
    assert (bench.git("status", "--porcelain"), snapshot(bench.top / ".git")) == before
    bench.git("checkout", "--", "project")
    assert "  code own/base.py  " in told
    assert "-BIAS = 0.0\n+BIAS = 0.25\n" in told
    assert "--- a/project/own/base.py\n" in told
    assert "being edited" not in told
    assert "arrays differ: " in told


def test_a_commit_of_what_the_task_imports(bench: Bench) -> None:
    told = bench.diff("readme", "helper", code=1)
    assert "  code own/helper.py  " in told
    assert "-HELP = 1\n+HELP = 2\n" in told
    assert "Results: nothing that both runs have computed is on record" in told


def test_a_commit_of_what_no_run_is_made_of(bench: Bench) -> None:
    told = bench.diff("fetched", "readme", code=0)
    assert "of other files differ project/README (--full-code shows them)" in told
    whole = bench.diff("first", "helper", "--full-code", code=1)
    assert "+++ b/project/README" in whole and "+HELP = 2" in whole


def test_a_run_that_failed(bench: Bench) -> None:
    """Nothing of what it is made of differs, and nobody can tell what would have come out."""
    told = " ".join(bench.diff("first", "failed", code=3).split())
    name = f"{bench.runs['failed'][:8]} (Digits-{bench.runs['failed'][:8]})"
    assert f"nothing is known to differ, but these are not on record: results of {name}." in told
    found = json.loads(bench.diff("failed", "seed", "--json", code=1))
    assert (found["unknown"], found["whole"]) == ([f"results of {name}"], False)


def test_the_store_alone_tells_the_same(bench: Bench, tmp_path: Path) -> None:
    elsewhere = {"SHACKDOO_STATE": str(tmp_path / "state")}
    here = bench.diff("first", "parent", code=1)
    assert bench.diff("first", "parent", code=1, **elsewhere) == here


def test_a_store_of_artifacts_that_does_not_answer(bench: Bench, tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    shutil.copyfile(bench.project / "mlflow.db", store)
    with closing(sqlite3.connect(store)) as database, database:
        away = "http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/0"
        database.execute("UPDATE runs SET artifact_uri = ?", (away,))
    elsewhere = {
        "SHACKDOO_STATE": str(tmp_path / "state"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{store}",
    }
    told = bench.diff("first", "parent", code=2, **elsewhere)
    assert f"The store sqlite:///{store} does not list artifacts: " in told
    assert "Traceback" not in told


def test_a_commit_that_is_not_here(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "project" / "conf").mkdir(parents=True)
    (tmp_path / "project" / "MLproject").write_text("name: other\n")
    other = {
        "SHACKDOO_ROOT": str(tmp_path / "project"),
        "SHACKDOO_STATE": str(tmp_path / "state"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{bench.project}/mlflow.db",
    }
    told = bench.diff("readme", "helper", code=1, **other)
    commit = bench.git("rev-parse", "HEAD~1").strip()
    assert "Code: the two states can't be shown beside each other" in told
    assert f"The commit {commit[:12]} of the run " in told and "is in no repository here" in told
    assert "  code own/helper.py  " in told


def test_a_training_and_an_inference(bench: Bench) -> None:
    import numpy as np

    for name, seed in (("one", 0), ("other", 1)):
        pixels = np.random.default_rng(seed).integers(0, 256, (2, 28, 28), np.uint8)
        np.save(bench.top / f"{name}.npy", pixels)
        asked = ("task=Digits", f"run={bench.runs['first']}", f"input={bench.top}/{name}.npy")
        done = bench.shackdoo("infer", *asked, f"output={bench.top}/{name}.csv")
        assert done.returncode == 0, done.stderr
        bench.runs[name] = local_runs(bench.state)[0].uid
    told = bench.diff("first", "one", code=2)
    assert "was made by `shackdoo train`, the run " in told and "by `shackdoo infer`" in told
    found = json.loads(bench.diff("one", "other", "--json", code=1))
    assert [each["name"] for each in found["differences"]] == ["inputs"]
    assert found["effect"]["same_predictions"] is False
    told = bench.diff("one", "one", code=0)
    assert "  predictions  the same bits" in told and "curves" not in told


def test_a_run_that_is_not_there(bench: Bench) -> None:
    done = bench.shackdoo("diff", bench.runs["first"], "ffffffff")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No run 'ffffffff' on this machine or in the store." in done.stderr
    assert bench.shackdoo("diff", bench.runs["first"]).returncode == 2


# ── states of the code that a run's record is only a part of ─────────────────────────────────


def code_of(bench: Bench, scratch: Path, *changes: Mapping[str, Any]) -> CodeDiff:
    """Return how the code differs between the first run and it with something else on record."""
    listed = next(run for run in list_local(bench.state) if run.uid == bench.runs["first"])
    runs = []
    for number, change in enumerate(({}, *changes)):
        folder = scratch / f"run-{number}"
        (folder / "files").mkdir(parents=True)
        run = RecordedRun(listed, folder, scratch)
        manifest = json.loads((bench.state / "runs" / listed.uid / "files" / MANIFEST).read_text())
        manifest["code"] = {**manifest["code"], **change}
        run.__dict__["manifest"] = manifest
        runs.append(run)
    for name, content in KEPT.items():
        path = scratch / "run-1" / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (scratch / "trees").mkdir()
    project = Project(bench.project, bench.project)
    return code_diff((runs[0], runs[1]), ["own/new.py"], project, scratch / "trees")


KEPT = {
    "untracked/project/own/new.py": b"NEW = 1\n",
    "code.diff": b"# Secrets were taken out of this file, so it can't be applied as it is:\n"
    b"# project/a.py:3  Secret Keyword\n\ndiff --git",
}


def digest(name: str) -> str:
    return hashlib.sha256(KEPT[name]).hexdigest()


def test_an_untracked_module_that_was_kept(bench: Bench, tmp_path: Path) -> None:
    kept = {"project/own/new.py": digest("untracked/project/own/new.py"), "../../x": "0" * 64}
    names = [*kept, "project/lost.py"]
    found = code_of(bench, tmp_path, {"dirty": True, "untracked": names, "untracked_kept": kept})
    assert found.files == ("project/own/new.py",)
    assert "+++ b/project/own/new.py\n@@ -0,0 +1 @@\n+NEW = 1\n" in found.text
    (note,) = found.notes
    assert "are not at hand as they were: project/lost.py, ../../x." in note


def test_a_submodule_at_another_commit(bench: Bench, tmp_path: Path) -> None:
    module = {"path": "lib", "commit": "ab" * 20, "diff_sha256": "0" * 64}
    inner = {"path": "lib/inner", "commit": "cd" * 20, "diff_sha256": None}
    kept = {"lib/new.py": "0" * 64}
    found = code_of(bench, tmp_path, {"submodules": [module, inner], "untracked_kept": kept})
    assert found.files == ("lib",)
    assert f"+Subproject commit {'ab' * 20}" in found.text
    assert found.notes[-1].endswith("inside of submodules is not shown: lib, lib/inner.")


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"diff_sha256": "0" * 64},
            "Secrets were taken out of the uncommitted changes of the run ",
        ),
        ({"diff_sha256": "0" * 64}, "(project/a.py:3), so they can't be applied."),
        ({"diff_sha256": digest("code.diff")}, "git apply says: error: "),
        ({"commit": "--output=/tmp/x"}, "The commit --output=/tm of the run "),
        ({"commit": None}, "was not made in a git repository, and its code was not kept."),
    ],
)
def test_a_state_that_can_not_be_had(
    bench: Bench, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    found = code_of(bench, tmp_path, change)
    assert (found.files, found.text) == (None, "")
    assert said in found.notes[0]


def test_classes_typed_into_a_notebook(bench: Bench, tmp_path: Path) -> None:
    found = code_of(bench, tmp_path, {"sources": {"__main__": "class A:\n    b = 1"}})
    assert found.text == "--- a/__main__\n+++ b/__main__\n@@ -0,0 +1,2 @@\n+class A:\n+    b = 1\n"


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return time and content of every file."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
