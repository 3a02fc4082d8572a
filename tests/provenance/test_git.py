"""The code's state is told truly whatever names, settings and heads a repository has."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from shackdoo.provenance import git
from shackdoo.provenance.capture import write_manifest


def run_git(root: Path, *command: str, given: bytes | None = None) -> None:
    subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True, input=given)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "somebody")
        monkeypatch.setenv(f"{name}_EMAIL", "somebody@example.org")
    run_git(tmp_path, "init", "-b", "main")
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / "# branch.py").write_text("y = 1\n" * 50)
    run_git(tmp_path, "add", ".")
    run_git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_a_detached_head_is_on_no_branch(repository: Path) -> None:
    run_git(repository, "checkout", "--detach")
    code = git.describe(repository)
    assert code["branch"] is None
    assert len(code["commit"]) == 40


def test_a_renamed_file_is_a_change_and_no_other_entry(repository: Path) -> None:
    run_git(repository, "mv", "# branch.py", "new.py")
    code = git.describe(repository)
    assert (code["dirty"], code["untracked"], code["branch"]) == (True, [], "main")


def test_a_name_that_is_no_utf8_is_recorded(repository: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(repository) + b"/\xff.py")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    path = repository.parent / f"{repository.name}.json"
    write_manifest(git.describe(repository), path)
    (name,) = json.loads(path.read_text(encoding="utf-8"))["untracked"]
    assert os.fsencode(name) == b"\xff.py"


@pytest.mark.parametrize("setting", ["noprefix", "mnemonicPrefix", "relative"])
def test_the_diff_applies_whatever_the_users_settings(repository: Path, setting: str) -> None:
    run_git(repository, "config", f"diff.{setting}", "true")
    (repository / "sub").mkdir()
    changed = {"code.py": b"x = 2\n", "# branch.py": b"\0\xff"}
    for name, content in changed.items():
        (repository / name).write_bytes(content)
    diff = git.Question(repository / "sub").answer().diff
    assert diff is not None
    run_git(repository, "reset", "--hard")
    run_git(repository, "apply", "-", given=diff)
    assert {name: (repository / name).read_bytes() for name in changed} == changed
