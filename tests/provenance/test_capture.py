"""The manifest tells what a run is made of, whatever the state of the code."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shackdoo.provenance import git
from shackdoo.provenance.capture import SCHEMA_VERSION, Capture, write_manifest
from shackdoo.provenance.code import Collected
from shackdoo.provenance.redact import without_credentials
from shackdoo.provenance.secrets import Redactor


def run_git(root: Path, *command: str) -> None:
    subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "somebody")
        monkeypatch.setenv(f"{name}_EMAIL", "somebody@example.org")
    root = tmp_path / "a project"
    root.mkdir()
    run_git(root, "init", "-b", "main")
    return root


def commit(root: Path, text: str) -> None:
    (root / "code.py").write_text(text)
    run_git(root, "add", "code.py")
    run_git(root, "commit", "-m", "change")


def manifest(root: Path, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "run_uid": "a" * 32,
        "command": ["shackdoo", "train"],
        "overrides": [],
        "config": {},
        "config_digest": "0" * 64,
        "data": {},
        "determinism": {"enabled": True},
        "seed": 1,
        "code": Collected({}, (), {}, None),
        "redactor": Redactor((), {}),
    }
    return Capture(root).manifest(**{**values, **changes})[0]


def test_a_clean_tree(repository: Path) -> None:
    commit(repository, "x = 1\n")
    code = git.describe(repository)
    assert (code["branch"], code["dirty"], code["untracked"]) == ("main", False, [])
    assert len(code["commit"]) == 40
    assert code["diff_sha256"] is None
    assert git.Question(repository).answer().diff is None


def test_staged_unstaged_and_untracked_changes_make_it_dirty(repository: Path) -> None:
    commit(repository, "x = 1\n")
    (repository / "code.py").write_text("x = 2\n")
    run_git(repository, "add", "code.py")
    (repository / "日本 語.py").write_text("")
    code = git.describe(repository)
    assert (code["dirty"], code["untracked"]) == (True, ["日本 語.py"])
    assert b"+x = 2" in (git.Question(repository).answer().diff or b"")
    assert len(code["diff_sha256"]) == 64


def test_inside_a_hook_of_another_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, "x = 1\n")
    expected = git.describe(repository)
    run_git(tmp_path, "init", "-b", "other", "another")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "another" / ".git" / "index"))
    assert git.describe(repository) == expected


def test_the_diff_is_the_same_however_short_git_writes_its_names(repository: Path) -> None:
    commit(repository, "x = 1\n")
    (repository / "code.py").write_text("x = 2\n")
    before = git.Question(repository).answer().diff
    run_git(repository, "config", "core.abbrev", "5")
    assert before
    assert git.Question(repository).answer().diff == before


def test_no_commit_yet_no_repository_no_git(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git.describe(repository)["commit"] is None
    assert git.describe(tmp_path)["commit"] is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.describe(repository) == {
        **dict.fromkeys(git.TOLD),
        "root": str(repository),
        "submodules": [],
    }


def test_credentials_in_urls_are_not_recorded(repository: Path) -> None:
    secret = "hunter2"
    url = f"https://me:{secret}@example.org/x.git"
    run_git(repository, "remote", "add", "origin", url)
    record = manifest(
        repository,
        command=["shackdoo", "train", f"tracking.uri={url}"],
        overrides=[f"tracking.uri={url}"],
        config={"tracking": {"uri": url}, "list": [url]},
    )
    assert record["code"]["remote"] == "https://***@example.org/x.git"
    assert secret not in json.dumps(record)


def test_what_is_no_credential_stays() -> None:
    text = "tags.note=a@b postgresql+psycopg://u:p@db/x?y=1 http://h/a@b"
    assert without_credentials(text) == (
        "tags.note=a@b postgresql+psycopg://***@db/x?y=1 http://h/a@b"
    )


def test_environment_and_machine(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--some")
    record = manifest(repository)
    assert record["schema_version"] == SCHEMA_VERSION
    assert record["environment"]["packages"]["numpy"]
    assert record["environment"]["variables"]["XLA_FLAGS"] == "--some"
    assert record["machine"]["cores"] >= 1
    assert json.loads(json.dumps(record)) == record


def test_the_file_is_the_owners_only_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    write_manifest({"a": 1}, path)
    write_manifest({"a": "日本"}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "日本"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_sources_lose_known_secrets_and_nothing_else(repository: Path) -> None:
    source = "token = load_token()\npassword = 'hunter2 and more'\n"
    found = manifest(
        repository,
        code=Collected({"__main__": source}, (), {}, None),
        redactor=Redactor(("hunter2 and more",), {}),
    )
    assert found["code"]["sources"] == {"__main__": "token = load_token()\npassword = '***'\n"}
