"""The state of the code, as git tells it. Without git, or outside a repository: nulls."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from shackdoo.provenance.redact import without_credentials

STATUS = ("status", "--porcelain=v2", "--branch", "--untracked-files=all", "--no-renames", "-z")
# Spelled out, so that no setting of the user's git makes a diff that can't be applied.
DIFF = (
    *("diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color"),
    *("--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--"),
)
# Set inside git's hooks; they would make git tell of another repository than root's.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def describe(root: Path) -> dict[str, Any]:
    """Return commit, branch, remote, and whether the tree differs from the commit.

    Returns:
        ``root``, ``commit``, ``branch``, ``remote`` (without credentials), ``dirty``,
        ``untracked`` (names of files that git neither tracks nor ignores), ``diff_sha256``;
        null where there is none or git can't tell.
    """
    status, remote, diff = _answers(root, STATUS, ("remote", "get-url", "origin"), DIFF)
    if status is None:
        return dict.fromkeys(
            ("root", "commit", "branch", "remote", "dirty", "untracked", "diff_sha256")
        ) | {"root": str(root)}
    lines = os.fsdecode(status).split("\0")
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    untracked = [line[2:] for line in lines if line.startswith("? ")]
    changed = any(line[:1] in ("1", "2", "u") for line in lines)
    commit, branch = heads.get("branch.oid"), heads.get("branch.head")
    return {
        "root": str(root),
        "commit": None if commit == "(initial)" else commit,
        "branch": None if branch == "(detached)" else branch,
        "remote": without_credentials(os.fsdecode(remote).strip()) if remote else None,
        "dirty": changed or bool(untracked),
        "untracked": untracked,
        "diff_sha256": hashlib.sha256(diff).hexdigest() if diff else None,
    }


def toplevel(root: Path) -> Path | None:
    """Return the folder that git's names are relative to; None outside a repository."""
    (top,) = _answers(root, ("rev-parse", "--show-toplevel"))
    return Path(os.fsdecode(top).removesuffix("\n")) if top else None


def git_diff(root: Path) -> bytes | None:
    """Return the difference between the commit and the tracked files, staged or not."""
    (diff,) = _answers(root, DIFF)
    return diff or None


def _answers(root: Path, *commands: tuple[str, ...]) -> list[bytes | None]:
    """Run git commands at once; an answer is None where the command fails or git is missing."""
    environment = {name: v for name, v in os.environ.items() if name not in ELSEWHERE}
    running = []
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
            return [None] * len(commands)
    outputs = [process.communicate()[0] for process in running]
    return [
        output if process.returncode == 0 else None
        for process, output in zip(running, outputs, strict=True)
    ]
