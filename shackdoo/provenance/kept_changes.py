"""What a tree had beyond its commit, put back: the diff, untracked files, code in no repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from shackdoo.errors import IngredientError, RequestError, ShackdooError
from shackdoo.provenance.kept_file import UnlikeError, kept_content, kept_members
from shackdoo.provenance.names import inside, safe_target
from shackdoo.provenance.tree_git import trouble_of

MAX_DIFF = 1 << 27  # bytes
MAX_FILE = 1 << 26
MAX_SNAPSHOT = 1 << 28

File = Callable[[str], Path | None]  # a file of the run's record, by its name there


def put_changes(code: Mapping[str, Any], top: Path, file: File) -> list[str]:
    """Apply the uncommitted changes of a run's code to its commit; return what was done.

    Raises:
        RequestError: if a file is not the recorded one, or would be written outside of the tree.
        IngredientError: if something can't be had.
    """
    steps = []
    if (digest := code.get("diff_sha256")) is not None:
        steps.append(apply_diff(file, "code.diff", digest, top))
    _check_left_out(code)
    kept: Mapping[str, str] = code.get("untracked_kept") or {}
    for name, wanted in kept.items():
        _put_untracked(inside(name), wanted, top, file)
    if kept:
        steps.append(f"{len(kept)} untracked files")
    return steps


def apply_diff(file: File, name: str, digest: str, top: Path) -> str:
    """Apply a kept diff to a commit; return what was done.

    Raises:
        RequestError: if it is not the recorded one.
        IngredientError: if it can't be had, or does not fit.
    """
    try:
        content = kept_content(file(name), digest, MAX_DIFF)
    except UnlikeError as error:
        raise _told(error, name, "uncommitted changes", MAX_DIFF) from None
    trouble = trouble_of(
        top, "apply", "--index", "--binary", "--whitespace=nowarn", "-", given=content
    )
    if trouble is not None:
        raise IngredientError(f"The uncommitted changes can't be applied to the commit: {trouble}.")
    lines = content.count(b"\n")
    return f"its uncommitted changes, {lines} lines"


def put_snapshot(code: Mapping[str, Any], into: Path, file: File) -> str:
    """Unpack what was kept of a tree that is in no repository; return what was done.

    Raises:
        RequestError: if it is not the recorded one, or would be written outside of the tree.
        IngredientError: if it can't be had.
    """
    digest = code.get("snapshot_sha256")
    if digest is None:
        raise IngredientError(
            "The run was made from code that is in no git repository, and its record has no copy "
            "of it."
        )
    try:
        members = kept_members(file("code.zip"), digest, MAX_SNAPSHOT)
    except UnlikeError as error:
        raise _told(error, "code.zip", "code", MAX_SNAPSHOT) from None
    into.mkdir(parents=True)
    for each in members:
        _put(inside(each.name), each.content, each.executable, into)
    return f"{len(members)} files that were kept of it; it is in no repository"


def _check_left_out(code: Mapping[str, Any]) -> None:
    """Raise an IngredientError if a file that the task is made of was not kept."""
    prefix, modules = code.get("prefix") or "", code.get("modules") or {}
    left_out: Mapping[str, str] = code.get("untracked_left_out") or {}
    for name, why in left_out.items():
        if name.removeprefix(prefix) in modules:
            raise IngredientError(
                f"The run was made from the untracked file {name}, which was not kept: {why}. Put "
                f"it into the repository, or under another name."
            )


def _put_untracked(name: PurePosixPath, digest: str, top: Path, file: File) -> None:
    path = file(kept := f"untracked/{name}")
    try:
        content = kept_content(path, digest, MAX_FILE)
    except UnlikeError as error:
        raise _told(error, kept, f"untracked file {name}", MAX_FILE) from None
    _put(name, content, path is not None and os.access(path, os.X_OK), top)


def _put(name: PurePosixPath, content: bytes, executable: bool, top: Path) -> None:
    target = safe_target(top, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o755 if executable else 0o644)


def _told(error: UnlikeError, name: str, what: str, most: int) -> ShackdooError:
    """Return what is wrong with a kept file, and what to do."""
    match error.why:
        case "absent":
            return IngredientError(
                f"The {what} of the run can't be had: its record has no {name}. They are kept on "
                f"the machine of the run; tracking.untracked=true ships untracked files, too."
            )
        case "large":
            return RequestError(
                f"{name} of the run has more than {most >> 20} MB; it is not taken."
            )
        case "redacted":
            listed = "\n".join(f"  {place}" for place in error.places)
            return IngredientError(
                f"The {what} of the run can't be had as they were, since secrets were taken out "
                f"before they were shipped:\n{listed}\nOn the machine of the run they are whole."
            )
        case "changed":
            return RequestError(
                f"{name} has been changed since the run was recorded: another sha256."
            )
        case "damaged":
            return RequestError(f"{name} of the run is damaged: it is no zip.")
