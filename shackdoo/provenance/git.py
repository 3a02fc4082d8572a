"""The state of the code, as git tells it. Without git, or outside a repository: nulls."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shackdoo.provenance.names import is_inside
from shackdoo.provenance.redact import without_credentials

STATUS = (
    *("status", "--porcelain=v2", "--branch", "--untracked-files=all", "--no-renames", "-z"),
    "--ignore-submodules=none",
)
# Spelled out, so that no setting of the user's git makes a diff that can't be applied. What
# differs in a submodule stands in a diff of its own.
DIFF = (
    *("diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color"),
    *("--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--no-renames"),
    *("--ignore-submodules=all", "HEAD", "--"),
)
REMOTE = ("remote", "get-url", "origin")
PLACE = ("rev-parse", "--show-toplevel", "--show-prefix")
MODULES = ".gitmodules"
LISTED = ("config", "--file", MODULES, "--null", "--get-regexp", r"^submodule\..*\.(path|url)$")
# Set inside git's hooks; they would make git tell of another repository than root's.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
TOLD = ("commit", "branch", "remote", "prefix", "dirty", "untracked", "diff_sha256")


@dataclass(frozen=True)
class Submodule:
    """A repository inside another one.

    Attributes:
        path: relative to the top of the outermost.
        url: where it can be had, without credentials; None if that isn't known.
        commit: that is checked out.
        dirty: whether its tree differs from that.
        diff: the difference, None if there is none.
    """

    path: str
    url: str | None
    commit: str
    dirty: bool
    diff: bytes | None

    def described(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        return {
            "path": self.path,
            "url": self.url,
            "commit": self.commit,
            "dirty": self.dirty,
            "diff_sha256": _sha256(self.diff),
        }


@dataclass(frozen=True)
class Repository:
    """What git tells of a tree.

    Attributes:
        state: for the manifest, as :func:`describe` returns it.
        top: the folder that git's names are relative to; None outside a repository.
        diff: between the commit and the tracked files, staged or not; None if there is none.
        submodules: that are checked out, the outer ones first.
    """

    state: dict[str, Any]
    top: Path | None = None
    diff: bytes | None = None
    submodules: list[Submodule] = field(default_factory=list)


class Question:
    """Git's commands about a tree, all of them started at once; the caller goes on meanwhile."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._asked = _ask(root, STATUS, REMOTE, DIFF, PLACE)

    def answer(self) -> Repository:
        """Wait for git and return what it tells."""
        status, remote, diff, place = _answers(self._asked)
        if status is None or place is None:
            return Repository({"root": str(self._root), **dict.fromkeys(TOLD), "submodules": []})
        top, _, prefix = os.fsdecode(place).removesuffix("\n").rpartition("\n")
        submodules, inner = _submodules(Path(top))
        state = {
            "root": str(self._root),
            **_read_status(os.fsdecode(status)),
            "remote": without_credentials(os.fsdecode(remote).strip()) if remote else None,
            "prefix": prefix,
            "diff_sha256": _sha256(diff),
            "submodules": [each.described() for each in submodules],
        }
        state["untracked"] += inner
        return Repository(state, Path(top), diff or None, submodules)


def describe(root: Path) -> dict[str, Any]:
    """Return commit, branch, remote, and whether the tree differs from the commit.

    Returns:
        ``root``, ``commit``, ``branch``, ``remote`` (without credentials), ``prefix`` (the way
        from the top of the repository to ``root``, empty or ending in a slash), ``dirty``,
        ``untracked`` (names of files that git neither tracks nor ignores, from the top),
        ``diff_sha256``, ``submodules``; null where there is none or git can't tell.
    """
    return Question(root).answer().state


def _read_status(status: str) -> dict[str, Any]:
    lines = status.split("\0")
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    untracked = [line[2:] for line in lines if line.startswith("? ")]
    changed = any(line[:1] in ("1", "2", "u") for line in lines)
    commit, branch = heads.get("branch.oid"), heads.get("branch.head")
    return {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if branch == "(detached)" else branch,
        "dirty": changed or bool(untracked),
        "untracked": untracked,
    }


def _submodules(top: Path) -> tuple[list[Submodule], list[str]]:
    """Return the submodules that are checked out, and the untracked files in them."""
    if not (top / MODULES).is_file():
        return [], []
    found: list[Submodule] = []
    untracked: list[str] = []
    listed = [(path, url) for path, url in _listed(top) if (top / path / ".git").exists()]
    asked = [(path, url, Question(top / path)) for path, url in listed]
    for path, url, question in asked:
        inner = question.answer()
        state = inner.state
        if inner.top != (top / path).resolve() or state["commit"] is None:
            continue
        url = state["remote"] or url
        found.append(Submodule(path, url, state["commit"], state["dirty"], inner.diff))
        found += [_below(path, each) for each in inner.submodules]
        untracked += [f"{path}/{name}" for name in state["untracked"]]
    return found, untracked


def _below(path: str, inner: Submodule) -> Submodule:
    return Submodule(f"{path}/{inner.path}", inner.url, inner.commit, inner.dirty, inner.diff)


def _listed(top: Path) -> Iterator[tuple[str, str | None]]:
    """Yield path and address of each submodule that is named in the tree."""
    (answer,) = _answers(_ask(top, LISTED))
    entries = [entry.partition("\n") for entry in os.fsdecode(answer or b"").split("\0") if entry]
    values = {key: value for key, _, value in entries}
    for key, path in values.items():
        name, _, what = key.rpartition(".")
        if what == "path" and is_inside(path):
            url = values.get(f"{name}.url")
            yield path, None if url is None else without_credentials(url)


def _sha256(content: bytes | None) -> str | None:
    return hashlib.sha256(content).hexdigest() if content else None


def _ask(root: Path, *commands: tuple[str, ...]) -> list[subprocess.Popen[bytes] | None]:
    """Start git commands; None stands for one that can't be started."""
    environment = {name: v for name, v in os.environ.items() if name not in ELSEWHERE}
    running: list[subprocess.Popen[bytes] | None] = []
    for command in commands:
        try:
            running.append(
                subprocess.Popen(
                    ["git", "--no-optional-locks", "-C", str(root), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                )
            )
        except OSError:
            running.append(None)
    return running


def _answers(running: list[subprocess.Popen[bytes] | None]) -> list[bytes | None]:
    """Wait for git commands; an answer is None where the command fails or git is missing."""
    outputs = [None if process is None else process.communicate()[0] for process in running]
    return [
        output if process is not None and process.returncode == 0 else None
        for process, output in zip(running, outputs, strict=True)
    ]
