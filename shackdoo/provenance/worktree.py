"""A recorded tree made again in a folder of its own: commit, uncommitted changes, untracked files.

What is recorded may come from somebody else, so it is taken as data: git gets argument lists and
no shell, knows no settings, hooks and filters, and fetches by https, ssh or from a folder only;
every name stays inside the folder. The user's own repository is read and never written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance.kept_changes import File, apply_diff, put_changes, put_snapshot
from shackdoo.provenance.names import inside, safe_target
from shackdoo.provenance.plain_git import COMMIT
from shackdoo.provenance.tree_git import git, told, trouble_of

REMOTES = (
    re.compile(r"https?://[A-Za-z0-9\[][^\s\x00-\x1f]*"),
    re.compile(r"(?:git\+)?ssh://(?:[\w.-]+@)?[A-Za-z0-9\[][^\s\x00-\x1f]*"),
    re.compile(r"(?:file://)?/[^\x00-\x1f]*"),
    re.compile(r"\w[\w.-]*@\w[\w.-]*:(?!-)[^\s\x00-\x1f:][^\s\x00-\x1f]*"),  # git@host:path
)
CREDENTIALS = re.compile(r"(?<=://)\*\*\*@")


@dataclass(frozen=True)
class Tree:
    """A tree that was made.

    Attributes:
        top: its folder.
        root: the project in it.
        steps: what was done, a line each.
    """

    top: Path
    root: Path
    steps: tuple[str, ...]


def make_tree(
    code: Mapping[str, Any],
    into: Path,
    near: Iterable[Path],
    file: File,
    alone: bool = False,
    fetching: bool = True,
) -> Tree:
    """Make the tree of a run.

    Args:
        code: the part of its manifest.
        into: the folder; it is made.
        near: projects on this machine whose repositories may have the commit.
        file: gives the files of the record.
        alone: the tree has all that git needs in itself, and borrows from no other repository.
        fetching: what is not on this machine is fetched.

    Raises:
        RequestError: if what is recorded is none that is followed.
        IngredientError: if something of it can't be had.
    """
    commit, prefix = code.get("commit"), PurePosixPath(code.get("prefix") or ".")
    steps: list[str] = []
    if commit is None or code.get("snapshot_sha256"):  # an image of a tree with changes has both
        steps.append(put_snapshot(code, into, file))
        return Tree(into, into, tuple(steps))
    _check_commit(commit)
    source = _Source([top for each in near if (top := _top(each))], alone, fetching)
    steps.append(_check_out(commit, code.get("remote"), into, source))
    steps += _submodules(code, into, source, file)
    steps += put_changes(code, into, file)
    root = into / inside(str(prefix)) if str(prefix) != "." else into
    if not root.is_dir():
        raise IngredientError(
            f"The commit {commit[:12]} has no folder {prefix}, in which the run's project was."
        )
    return Tree(into, root, tuple(steps))


@dataclass(frozen=True)
class _Source:
    """Where commits come from, and how."""

    tops: Sequence[Path]
    alone: bool
    fetching: bool

    def below(self, name: PurePosixPath) -> _Source:
        """Return the same for a submodule."""
        return replace(self, tops=[top / name for top in self.tops])


def _top(project: Path) -> Path | None:
    """Return the top of a project's repository."""
    top = told(project, "rev-parse", "--show-toplevel")
    return None if top is None else Path(top)


def _check_commit(commit: object) -> None:
    if not (isinstance(commit, str) and COMMIT.fullmatch(commit)):
        raise RequestError(f"'{str(commit)[:80]}' is recorded as the commit, but is no digest.")


def checked_remote(remote: str) -> str:
    """Return the address that is fetched from, credentials left out.

    Raises:
        RequestError: if it is none of https, ssh or a folder.
    """
    address = CREDENTIALS.sub("", remote)
    if any(pattern.fullmatch(address) for pattern in REMOTES):
        return address
    raise RequestError(
        f"The run was recorded with the remote '{remote[:200]}', which is not fetched from: only "
        f"https://, http://, ssh:// and folders of this machine are. If you have its commit, run "
        f"shackdoo in that repository."
    )


def _check_out(commit: str, remote: str | None, into: Path, source: _Source) -> str:
    """Put the commit's files into the folder; return where they came from."""
    into.mkdir(parents=True)
    digests = "sha256" if len(commit) == 64 else "sha1"
    git(into, "init", "--quiet", "--template=", f"--object-format={digests}")
    where = _borrow(commit, into, source.tops)
    if where is None:
        address = None if remote is None else checked_remote(remote)
        if address is not None and not source.fetching:
            raise IngredientError(
                f"The commit {commit[:12]} is not here; it would be fetched from {address}."
            )
        where = _fetch(commit, address, into)
    git(into, "checkout", "--quiet", "--detach", "--force", commit)
    if source.alone:
        _stand_alone(commit, into)
    return f"the commit {commit[:12]} from {where}"


def _borrow(commit: str, into: Path, near: Iterable[Path]) -> str | None:
    """Let the tree read the objects of the first repository that has the commit."""
    alternates = into / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    for project in near:
        objects = told(project, "rev-parse", "--path-format=absolute", "--git-path", "objects")
        if objects is None:
            continue
        alternates.write_text(f"{objects}\n", encoding="utf-8")
        if told(into, "cat-file", "-t", commit) == "commit":
            return str(project)
    alternates.unlink(missing_ok=True)
    return None


def _stand_alone(commit: str, into: Path) -> None:
    """Copy what the tree has borrowed; of its history it needs the commit alone."""
    (into / ".git" / "shallow").write_text(f"{commit}\n", encoding="utf-8")
    git(into, "repack", "-a", "-d", "--quiet")
    (into / ".git" / "objects" / "info" / "alternates").unlink(missing_ok=True)


def _fetch(commit: str, address: str | None, into: Path) -> str:
    if address is None:
        raise IngredientError(
            f"The commit {commit[:12]} is not here, and no remote is on record from which it could "
            f"be fetched. Run shackdoo in a repository that has it."
        )
    fetch = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    alone = trouble_of(into, *fetch, "--depth=1", "--", address, commit)
    if alone is not None:  # some servers give what has a name only
        refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        trouble = trouble_of(into, *fetch, "--", address, *refs)
        if trouble is not None:
            raise IngredientError(
                f"The commit {commit[:12]} is not here, and it can't be fetched from {address}: "
                f"{trouble}."
            )
    if told(into, "cat-file", "-t", commit) != "commit":
        raise IngredientError(
            f"The commit {commit[:12]} is neither here nor in {address}: it was never pushed, or "
            f"has been removed. Run shackdoo in a repository that has it."
        )
    return address


def _submodules(code: Mapping[str, Any], top: Path, source: _Source, file: File) -> list[str]:
    steps = []
    for number, module in enumerate(code.get("submodules") or ()):
        name, commit = inside(module["path"]), module["commit"]
        _check_commit(commit)
        target = safe_target(top, name)
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()  # git leaves an empty folder
        if target.exists():
            raise RequestError(f"The record names the submodule {name}, where the tree has files.")
        step = _check_out(commit, module.get("url"), target, source.below(name))
        steps.append(f"submodule {name}: {step}")
        if (digest := module.get("diff_sha256")) is not None:
            diff = f"submodules/{number}.diff"
            steps.append(f"submodule {name}: {apply_diff(file, diff, digest, target)}")
    return steps
