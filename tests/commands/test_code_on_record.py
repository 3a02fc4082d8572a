"""What of the code is shipped with a run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from shackdoo.tracking.journal import JOURNAL, read_entries
from shackdoo.tracking.state import local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def committed(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project below the top of its repository, everything committed."""
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "somebody")
        monkeypatch.setenv(f"{name}_EMAIL", "somebody@example.org")
    (own_project / ".gitignore").write_text("*mlflow.db*\nmlruns/\ndata/\n")
    top = own_project.parent
    git(top, "init", "-b", "main")
    git(top, "add", "project")
    git(top, "commit", "-m", "all")
    (top / ".git" / "info" / "exclude").write_text("state/\n")
    return own_project


def git(top: Path, *command: str) -> None:
    subprocess.run(["git", "-C", str(top), *command], check=True, capture_output=True)


def attached(shackdoo: Run, *overrides: str) -> set[str]:
    done = shackdoo("train", "task=Mnist_B", "flows=[fetch_data]", *overrides)
    assert done.returncode == 0, done.stderr
    run = local_runs(Path(os.environ["SHACKDOO_STATE"]))[0]
    entries = [entry for entry, _ in read_entries(run.folder / JOURNAL)]
    return {
        "/".join(part for part in (entry["folder"], entry["name"]) if part)
        for entry in entries
        if entry["kind"] == "artifact" and entry["redact"]
    }


def test_only_what_differs_from_the_commit_is_shipped(shackdoo: Run, committed: Path) -> None:
    assert attached(shackdoo) == set()
    (committed / "notes").mkdir()
    (committed / "notes" / "日本 語.txt").write_text("new")
    assert attached(shackdoo) == set()
    assert attached(shackdoo, "tracking.untracked=true") == {"untracked/project/notes/日本 語.txt"}
    (committed / "MLproject").write_text("name: changed\n")
    assert attached(shackdoo) == {"code.diff"}
