"""What of the code is kept and shipped with a run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.recorded_run import recorded_run
from shackdoo.config.project import find_project
from shackdoo.provenance.manifest import read
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


def kept(scratch: Path) -> tuple[Path, dict[str, Any]]:
    """The files of the newest run, and what its manifest says of the code."""
    run = recorded_run("latest", find_project(), scratch)
    assert run.folder is not None
    return run.folder / "files", dict(run.manifest["code"])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.usefixtures("store_away")
def test_uncommitted_changes_are_kept_whole(shackdoo: Run, committed: Path, tmp_path: Path) -> None:
    new, tool, big = committed / "new.py", committed / "日本 語" / "tool", committed / "big.py"
    tool.parent.mkdir()
    new.write_text("password = 'kept on this disk'\n")
    tool.write_bytes(b"#!/bin/sh\n\xff")
    tool.chmod(0o755)
    big.write_bytes(bytes((1 << 20) + 1))
    (committed / "big.bin").write_bytes(big.read_bytes())
    (committed / "MLproject").write_bytes(b"name: \0 no text\n")
    done = shackdoo("train", "task=Mnist_B", "flows=[fetch_data]")
    notice = "the untracked file project/big.py is not kept with the run: it has more than 1 MB"
    assert [line for line in done.stderr.splitlines() if "untracked" in line] == [notice]

    files, code = kept(tmp_path)
    assert code["prefix"] == "project/"
    assert code["untracked_kept"] == {
        "project/new.py": sha256(new.read_bytes()),
        "project/日本 語/tool": sha256(tool.read_bytes()),
    }
    assert set(code["untracked_left_out"]) == {"project/big.py", "project/big.bin"}
    copy = files / "untracked" / "project" / "日本 語" / "tool"
    assert copy.read_bytes() == tool.read_bytes()
    assert os.access(copy, os.X_OK)
    assert sha256((files / "code.diff").read_bytes()) == code["diff_sha256"]
    git(committed, "checkout", "MLproject")
    git(committed.parent, "apply", str(files / "code.diff"))
    assert (committed / "MLproject").read_bytes() == b"name: \0 no text\n"


def test_what_differs_in_a_submodule_is_kept(
    shackdoo: Run, committed: Path, tmp_path: Path
) -> None:
    top, library = committed.parent, tmp_path / "library"
    library.mkdir()
    git(library, "init", "-b", "main")
    (library / "part.py").write_text("x = 1\n")
    git(library, "add", ".")
    git(library, "commit", "-m", "first")
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", str(library), "libs/part")
    (top / "libs" / "part" / "part.py").write_text("x = 2\n")
    assert attached(shackdoo) == {"code.diff", "submodules/0.diff"}
    files, code = kept(tmp_path)
    (submodule,) = code["submodules"]
    assert (submodule["path"], submodule["dirty"]) == ("libs/part", True)
    assert submodule["url"] == str(library)
    content = (files / "submodules" / "0.diff").read_bytes()
    assert b"+x = 2" in content
    assert sha256(content) == submodule["diff_sha256"]


MINE = "from beside import Base\n\n\nclass Mine(Base):\n    pass\n"
BASE = "from shackdoo.tasks.mnist import Mnist_A\n\n\nclass Base(Mnist_A):\n    pass\n"
YAML = "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask: {name: Mine, _target_: mine.Mine}\n"


@pytest.mark.usefixtures("store_away")
def test_without_a_commit_a_copy_is_kept_from_which_the_run_can_be_made(
    shackdoo: Run, own_project: Path, tmp_path: Path
) -> None:
    (own_project / "mine.py").write_text(MINE)
    (own_project / "beside.py").write_text(BASE)
    (own_project / "conf" / "task" / "Mine.yaml").write_text(YAML)
    (own_project / "stray.py").write_text("")
    done = shackdoo("train", "task=Mine", "flows=[fetch_data]")
    told = "no git commit has this code; a copy of it is kept with the run (code.zip)"
    assert done.stderr.splitlines().count(told) == 1
    files, code = kept(tmp_path)
    assert (code["commit"], code["prefix"], code["untracked_kept"]) == (None, None, {})
    assert sha256((files / "code.zip").read_bytes()) == code["snapshot_sha256"]
    with zipfile.ZipFile(files / "code.zip") as archive:
        assert archive.namelist() == ["MLproject", "beside.py", "conf/task/Mine.yaml", "mine.py"]
        archive.extractall(tmp_path / "again")
    assert attached(shackdoo, "tracking.untracked=true") == {"code.zip"}

    root = str(tmp_path / "again")
    again = shackdoo("train", "task=Mine", "flows=[fetch_data]", SHACKDOO_ROOT=root)
    assert again.returncode == 0, again.stderr
    run = local_runs(Path(os.environ["SHACKDOO_STATE"]))[0]
    remade = read((run.folder / "files" / "manifest.json").read_bytes(), "it")["code"]
    for key in ("modules", "snapshot_sha256"):
        assert remade[key] == code[key]
