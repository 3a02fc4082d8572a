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


@pytest.mark.parametrize(
    "setting", ["noprefix=true", "mnemonicPrefix=true", "relative=true", "context=0"]
)
def test_the_diff_applies_whatever_the_users_settings(repository: Path, setting: str) -> None:
    run_git(repository, "config", *f"diff.{setting}".split("="))
    (repository / "sub").mkdir()
    changed = {"code.py": b"x = 2\n", "# branch.py": b"\0\xff"}
    for name, content in changed.items():
        (repository / name).write_bytes(content)
    diff = git.Question(repository / "sub").answer().diff
    assert diff is not None
    run_git(repository, "reset", "--hard")
    run_git(repository, "apply", "-", given=diff)
    assert {name: (repository / name).read_bytes() for name in changed} == changed


def test_the_diff_keeps_modes_and_files_that_are_no_text(repository: Path) -> None:
    (repository / "code.py").chmod(0o755)
    (repository / "new.bin").write_bytes(bytes(range(256)))
    run_git(repository, "add", "new.bin")
    (repository / "# branch.py").unlink()
    diff = git.Question(repository).answer().diff
    run_git(repository, "reset", "--hard")
    run_git(repository, "apply", "--index", "-", given=diff)
    assert os.access(repository / "code.py", os.X_OK)
    assert (repository / "new.bin").read_bytes() == bytes(range(256))
    assert not (repository / "# branch.py").exists()


def test_the_way_from_the_top_to_the_project(repository: Path) -> None:
    (repository / "a b" / "c").mkdir(parents=True)
    assert git.describe(repository)["prefix"] == ""
    assert git.describe(repository / "a b" / "c")["prefix"] == "a b/c/"


@pytest.fixture
def with_submodule(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one in it, which has one in it."""
    inner, innermost = tmp_path_factory.mktemp("inner"), tmp_path_factory.mktemp("innermost")
    for folder in (innermost, inner):
        run_git(folder, "init", "-b", "main")
        (folder / "part.py").write_text("z = 1\n")
        run_git(folder, "add", ".")
        run_git(folder, "commit", "-m", "first")
    add = ("-c", "protocol.file.allow=always", "submodule", "add")
    run_git(inner, *add, str(innermost), "deep")
    run_git(inner, "commit", "-m", "deep")
    run_git(repository, *add, str(inner), "libs/inner")
    run_git(repository, "commit", "-m", "inner")
    update = ("submodule", "update", "--init", "--recursive")
    run_git(repository, "-c", "protocol.file.allow=always", *update)
    return repository


def test_submodules_are_told_with_what_differs_in_them(with_submodule: Path) -> None:
    clean = git.Question(with_submodule).answer()
    assert [each.path for each in clean.submodules] == ["libs/inner", "libs/inner/deep"]
    assert not clean.state["dirty"]
    assert all(len(each.commit) == 40 and not each.dirty for each in clean.submodules)
    assert clean.submodules[1].url is not None
    assert "innermost" in clean.submodules[1].url

    run_git(with_submodule, "config", "diff.submodule", "log")
    run_git(with_submodule, "config", "diff.ignoreSubmodules", "all")
    (with_submodule / "libs/inner/deep/part.py").write_text("z = 2\n")
    (with_submodule / "libs/inner/new.py").write_text("")
    found = git.Question(with_submodule).answer()
    assert (found.state["dirty"], found.diff) == (True, None)
    assert [each.dirty for each in found.submodules] == [True, True]
    assert found.submodules[0].diff is None
    assert b"+z = 2" in (found.submodules[1].diff or b"")
    assert found.state["untracked"] == ["libs/inner/new.py"]


def test_a_submodule_at_another_commit_is_no_part_of_the_diff(with_submodule: Path) -> None:
    inner = with_submodule / "libs" / "inner"
    (inner / "part.py").write_text("z = 3\n")
    run_git(inner, "commit", "-am", "second")
    (with_submodule / "code.py").write_text("x = 3\n")
    found = git.Question(with_submodule).answer()
    assert b"Subproject" not in (found.diff or b"Subproject")
    head = git.describe(inner)["commit"]
    assert found.submodules[0].commit == head
