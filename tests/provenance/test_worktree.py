"""A recorded tree is made again exactly, and nothing that a record says leads out of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance import kept_changes
from shackdoo.provenance.git import DIFF
from shackdoo.provenance.kept_changes import MAX_DIFF
from shackdoo.provenance.names import inside
from shackdoo.provenance.redact_diff import redact_diff
from shackdoo.provenance.worktree import Tree, checked_remote, make_tree

ODD_REMOTES = [
    "ext::sh -c touch% pwned",
    "--upload-pack=touch pwned",
    "git://example.org/a.git",
    "ftp://example.org/a.git",
    "ssh://-oProxyCommand=touch/a.git",
    "-oProxyCommand=touch:a",
    "a@-b:c",
    "relative/path",
    "transport::https://example.org",
    "https://example.org/a\nb",
    "",
]


def git(folder: Path, *arguments: str) -> str:
    names = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b.org"}
    names |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b.org"}
    config = ["-c", "protocol.file.allow=always"]
    done = subprocess.run(
        ["git", *config, "-C", str(folder), *arguments],
        env={**os.environ, **names},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def git_diff(folder: Path) -> bytes:
    return subprocess.run(["git", "-C", str(folder), *DIFF], capture_output=True, check=True).stdout


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "net.py").write_text("width = 1\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=one")
    return folder


def state_of(folder: Path) -> dict[str, str]:
    """Return each file of a repository with its content, git's own files among them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()) for path in files}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    folder = tmp_path / "record"
    folder.mkdir()
    return folder


@pytest.fixture
def made(tmp_path: Path, repo: Path, record: Path) -> Callable[..., Tree]:
    def make(near: tuple[Path, ...] | None = None, **code: Any) -> Tree:
        def file(name: str) -> Path | None:
            return record / name if (record / name).is_file() else None

        whole = {"commit": git(repo, "rev-parse", "HEAD"), "remote": None, **code}
        return make_tree(whole, tmp_path / "made", (repo,) if near is None else near, file)

    return make


def test_a_commit_that_was_rolled_back_comes_from_the_repository_which_stays_as_it_is(
    repo: Path, made: Callable[..., Tree]
) -> None:
    (repo / "net.py").write_text("width = 2\n")
    git(repo, "commit", "--quiet", "--all", "--message=two")
    two = git(repo, "rev-parse", "HEAD")
    git(repo, "reset", "--quiet", "--hard", "HEAD~")
    (repo / "net.py").write_text("width = 3\n")
    before = state_of(repo)
    tree = made(commit=two)
    assert (tree.root / "net.py").read_text() == "width = 2\n"
    assert tree.steps == (f"the commit {two[:12]} from {repo}",)
    assert git(tree.root, "status", "--porcelain") == ""
    assert state_of(repo) == before


def test_uncommitted_changes_come_whole(
    repo: Path, record: Path, made: Callable[..., Tree]
) -> None:
    (repo / "net.py").write_text("width = 5\n")
    (repo / "weights.bin").write_bytes(bytes(range(256)) * 8)
    (repo / "tool.sh").write_text("#!/bin/sh\n")
    (repo / "tool.sh").chmod(0o755)
    git(repo, "add", "weights.bin", "tool.sh")
    diff = git_diff(repo)
    (record / "code.diff").write_bytes(diff)
    (record / "untracked" / "own").mkdir(parents=True)
    (record / "untracked" / "own" / "日本 語.py").write_text("x = 1\n")
    kept = {"own/日本 語.py": sha256(b"x = 1\n")}
    tree = made(diff_sha256=sha256(diff), untracked_kept=kept)
    assert (tree.root / "net.py").read_text() == "width = 5\n"
    assert (tree.root / "weights.bin").read_bytes() == bytes(range(256)) * 8
    assert os.access(tree.root / "tool.sh", os.X_OK)
    assert (tree.root / "own" / "日本 語.py").read_text() == "x = 1\n"
    assert git_diff(tree.root) == diff


def test_a_tree_can_stand_alone(tmp_path: Path, repo: Path) -> None:
    (repo / "net.py").write_text("width = 2\n")
    git(repo, "commit", "--quiet", "--all", "--message=two")
    commit = git(repo, "rev-parse", "HEAD")
    tree = make_tree({"commit": commit}, tmp_path / "made", [repo], lambda name: None, alone=True)
    repo.rename(tmp_path / "gone")
    assert git(tree.root, "rev-parse", "HEAD") == commit
    assert git(tree.root, "status", "--porcelain") == ""


def test_a_submodule_with_changes_of_its_own(
    tmp_path: Path, repo: Path, record: Path, made: Callable[..., Tree]
) -> None:
    part = repository(tmp_path / "part")
    git(repo, "submodule", "--quiet", "add", str(part), "lib/part")
    git(repo, "commit", "--quiet", "--message=with a part")
    module = repo / "lib" / "part"
    (module / "net.py").write_text("width = 7\n")
    diff = git_diff(module)
    (record / "submodules").mkdir()
    (record / "submodules" / "0.diff").write_bytes(diff)
    entry = {
        "path": "lib/part",
        "url": str(part),
        "commit": git(module, "rev-parse", "HEAD"),
        "diff_sha256": sha256(diff),
    }
    tree = made(submodules=[entry])
    assert (tree.root / "lib" / "part" / "net.py").read_text() == "width = 7\n"


def test_a_project_in_a_folder_of_its_repository(
    repo: Path, made: Callable[..., Tree], tmp_path: Path
) -> None:
    (repo / "deep" / "project").mkdir(parents=True)
    (repo / "deep" / "project" / "a.py").touch()
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message=deep")
    assert (made(prefix="deep/project/").root / "a.py").exists()
    with pytest.raises(IngredientError, match="has no folder elsewhere, in which the run's"):
        make_tree(
            {"commit": git(repo, "rev-parse", "HEAD"), "prefix": "elsewhere/"},
            tmp_path / "second",
            [repo],
            lambda name: None,
        )


def test_a_commit_that_is_not_here_is_fetched_from_the_recorded_remote(
    repo: Path, made: Callable[..., Tree]
) -> None:
    commit = git(repo, "rev-parse", "HEAD")
    tree = made(near=(), remote=f"file://{repo}")
    assert tree.steps == (f"the commit {commit[:12]} from file://{repo}",)
    assert (tree.root / "net.py").exists()


def test_what_can_not_be_had_is_named(
    tmp_path: Path, repo: Path, made: Callable[..., Tree]
) -> None:
    lost = "0123456789" * 4
    with pytest.raises(IngredientError, match=r"commit 012345678901 is not here, and no remote"):
        made(commit=lost)
    remote = {"commit": lost, "remote": str(repo)}
    with pytest.raises(IngredientError, match=r"it was never pushed, or has been removed|fetched"):
        make_tree(remote, tmp_path / "b", [], lambda name: None)
    gone = {"commit": lost, "remote": str(tmp_path / "gone")}
    with pytest.raises(IngredientError, match=r"is not here, and it can't be fetched from .*gone"):
        make_tree(gone, tmp_path / "c", [], lambda name: None)
    with pytest.raises(IngredientError, match=r"changes of the run can't be had: its record has"):
        make_tree(
            {"commit": git(repo, "rev-parse", "HEAD"), "diff_sha256": "0" * 64},
            tmp_path / "d",
            [repo],
            lambda name: None,
        )


def test_neither_hooks_nor_filters_of_anybody_run(
    tmp_path: Path, repo: Path, made: Callable[..., Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    pwned = tmp_path / "pwned"
    hooks = tmp_path / "hooks"
    for folder in (hooks, repo / ".git" / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("post-checkout", "reference-transaction", "post-index-change"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {pwned}\n")
            (folder / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[core]\n\thooksPath = {hooks}\n[filter "evil"]\n\tsmudge = touch {pwned}\n'
        f"\trequired = true\n[init]\n\ttemplateDir = {tmp_path}\n"
    )
    with monkeypatch.context() as plain:
        plain.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        (repo / ".gitattributes").write_text("*.py filter=evil\n")
        git(repo, "-c", f"core.hooksPath={os.devnull}", "add", "--all")
        git(repo, "-c", f"core.hooksPath={os.devnull}", "commit", "--quiet", "--message=evil")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path))
    pwned.unlink(missing_ok=True)
    tree = made(near=(), remote=str(repo), commit=(repo / ".git/refs/heads/main").read_text()[:40])
    assert (tree.root / "net.py").read_text() == "width = 1\n"
    assert not pwned.exists()


@pytest.mark.parametrize("remote", ODD_REMOTES)
def test_odd_remotes_are_refused(remote: str) -> None:
    with pytest.raises(RequestError, match="which is not fetched from: only https://"):
        checked_remote(remote)


@pytest.mark.parametrize(
    "remote",
    [
        "https://example.org/a.git",
        "https://***@example.org:8443/a.git",
        "ssh://git@example.org:22/a",
        "git@example.org:team/a.git",
        "/srv/git/a",
        "file:///srv/git/a b",
    ],
)
def test_usual_remotes_are_fetched_from_without_credentials(remote: str) -> None:
    assert checked_remote(remote) == remote.replace("***@", "")


@pytest.mark.parametrize("commit", ["HEAD", "main", "--help", "abc", "g" * 40, 7, "a" * 41])
def test_a_commit_is_a_digest(made: Callable[..., Tree], commit: object) -> None:
    with pytest.raises(RequestError, match="is recorded as the commit, but is no digest"):
        made(commit=commit)


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../../b", ".git/config", "a/.GIT/x", "", "a\nb", "a\\b", ".git./x"]
)
def test_names_stay_inside(name: str) -> None:
    with pytest.raises(RequestError, match="which is none in a tree"):
        inside(name)


def test_a_name_with_spaces_is_one() -> None:
    assert inside("a b/c.py") == PurePosixPath("a b/c.py")


def test_a_link_of_the_tree_leads_nothing_out_of_it(
    tmp_path: Path, repo: Path, record: Path, made: Callable[..., Tree]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repo / "link").symlink_to(outside)
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message=link")
    (record / "untracked" / "link").mkdir(parents=True)
    (record / "untracked" / "link" / "a.py").write_text("x = 1\n")
    with pytest.raises(RequestError, match="would be written through a link of the tree"):
        made(untracked_kept={"link/a.py": sha256(b"x = 1\n")})
    assert list(outside.iterdir()) == []


def test_a_link_into_the_folder_of_git_leads_nothing_there(
    repo: Path, record: Path, made: Callable[..., Tree]
) -> None:
    (repo / "link").symlink_to(".git")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message=link")
    (record / "untracked" / "link").mkdir(parents=True)
    (record / "untracked" / "link" / "config").write_text("x\n")
    with pytest.raises(RequestError, match="would be written through a link of the tree"):
        made(untracked_kept={"link/config": sha256(b"x\n")})


def test_a_commit_that_is_here_needs_no_remote_that_is_fetched_from(
    repo: Path, made: Callable[..., Tree]
) -> None:
    assert (made(remote="gh:me/x.git").root / "net.py").exists()


def test_nothing_is_fetched_before_it_may_be(tmp_path: Path, repo: Path) -> None:
    code = {"commit": git(repo, "rev-parse", "HEAD"), "remote": f"file://{repo}"}
    with pytest.raises(IngredientError, match=r"is not here; it would be fetched from file://"):
        make_tree(code, tmp_path / "made", [], lambda name: None, fetching=False)


def test_a_file_of_the_task_that_was_not_kept_is_named(made: Callable[..., Tree]) -> None:
    why = {"credentials.py": "its name says that it keeps secrets", "notes.txt": "it is too large"}
    with pytest.raises(
        IngredientError, match=r"untracked file credentials\.py, which was not kept"
    ):
        made(untracked_left_out=why, modules={"credentials.py": "0" * 64, "net.py": "1" * 64})


def test_a_repository_of_longer_digests(tmp_path: Path, made: Callable[..., Tree]) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    git(folder, "init", "--quiet", "--object-format=sha256")
    (folder / "a.py").touch()
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=one")
    assert (made(near=(folder,), commit=git(folder, "rev-parse", "HEAD")).root / "a.py").exists()


def test_a_diff_that_writes_outside_is_not_applied(
    tmp_path: Path, record: Path, made: Callable[..., Tree]
) -> None:
    head = "diff --git a/../out b/../out\nnew file mode 100644\n--- /dev/null\n+++ b/../out\n"
    diff = f"{head}@@ -0,0 +1 @@\n+x\n".encode()
    (record / "code.diff").write_bytes(diff)
    with pytest.raises(IngredientError, match="can't be applied to the commit: error: invalid"):
        made(diff_sha256=sha256(diff))
    assert not (tmp_path / "out").exists()


def test_a_redacted_diff_is_told_with_file_and_line(
    repo: Path, record: Path, made: Callable[..., Tree]
) -> None:
    (repo / "net.py").write_text("width = 1\npassword = 'correct-horse-battery'\n")
    diff = git_diff(repo)
    shipped, _ = redact_diff(diff)
    assert b"correct-horse" not in shipped
    (record / "code.diff").write_bytes(shipped)
    with pytest.raises(
        IngredientError, match=r"secrets were taken out .*\n  net.py:2  \w+"
    ) as told:
        made(diff_sha256=sha256(diff))
    assert told.value.exit_code == 3


def test_files_of_a_record_are_bounded(record: Path, made: Callable[..., Tree]) -> None:
    (record / "code.diff").touch()
    os.truncate(record / "code.diff", MAX_DIFF + 1)  # takes no room on the disk
    with pytest.raises(
        RequestError, match=r"code\.diff of the run has more than 128 MB; it is not"
    ):
        made(diff_sha256="0" * 64)


def test_what_was_changed_since_is_not_taken(record: Path, made: Callable[..., Tree]) -> None:
    (record / "code.diff").write_bytes(b"diff --git a/net.py b/net.py\n")
    with pytest.raises(RequestError, match=r"code\.diff has been changed since the run was"):
        made(diff_sha256="0" * 64)


def test_a_tree_in_no_repository_comes_from_its_copy(
    record: Path, made: Callable[..., Tree]
) -> None:
    with zipfile.ZipFile(record / "code.zip", "w") as archive:
        archive.writestr("own/net.py", "width = 9\n")
    digest = sha256((record / "code.zip").read_bytes())
    tree = made(commit=None, snapshot_sha256=digest)
    assert (tree.root / "own" / "net.py").read_text() == "width = 9\n"
    assert tree.steps == ("1 files that were kept of it; it is in no repository",)


def test_a_copy_that_is_no_archive_or_too_large_is_refused(
    record: Path, made: Callable[..., Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = record / "code.zip"
    copy.write_bytes(b"no archive")
    with pytest.raises(RequestError, match=r"^code\.zip of the run is damaged: it is no zip\.$"):
        made(commit=None, snapshot_sha256=sha256(copy.read_bytes()))
    monkeypatch.setattr(kept_changes, "MAX_SNAPSHOT", 1 << 20)
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.py", " " * (1 << 21))
    assert copy.stat().st_size < 1 << 20
    with pytest.raises(
        RequestError, match=r"^code\.zip of the run has more than 1 MB; it is not taken\.$"
    ):
        made(commit=None, snapshot_sha256=sha256(copy.read_bytes()))


def test_a_copy_with_names_that_lead_out_is_refused(
    tmp_path: Path, record: Path, made: Callable[..., Tree]
) -> None:
    with zipfile.ZipFile(record / "code.zip", "w") as archive:
        archive.writestr("../evil.py", "x")
    digest = sha256((record / "code.zip").read_bytes())
    with pytest.raises(RequestError, match=r"names the file '\.\./evil.py', which is none"):
        made(commit=None, snapshot_sha256=digest)
    assert not (tmp_path / "evil.py").exists()
