"""The code of two runs, as one difference: commit, uncommitted changes, untracked files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.config.project import Project
from shackdoo.errors import IngredientError
from shackdoo.provenance.git_trees import GitTrees
from shackdoo.provenance.kept_file import UnlikeError, kept_members, kept_path
from shackdoo.provenance.names import is_inside

DIFF, SNAPSHOT = "code.diff", "code.zip"
STATE = ("commit", "diff_sha256", "untracked", "untracked_kept", "submodules", "snapshot_sha256")
MOST = 1 << 24  # bytes of a difference that are read
MOST_UNPACKED = 1 << 26  # bytes
MOST_KEPT = 1 << 27  # bytes
MOST_NAMED = 5

Files = dict[str, tuple[Path, bool]]


@dataclass(frozen=True)
class CodeDiff:
    """How the code of two runs differs.

    Attributes:
        files: names of what is not the same in the two states; None if a state can't be had.
        text: the difference as git prints it.
        notes: what is missing of it, and why, in sentences.
    """

    files: tuple[str, ...] | None
    text: str
    notes: tuple[str, ...]


def code_diff(
    runs: tuple[RecordedRun, RecordedRun],
    modules: Sequence[str],
    project: Project,
    scratch: Path,
) -> CodeDiff:
    """Return how the code of two runs differs.

    Args:
        runs: the two.
        modules: files of the task that are known to differ; they come first.
        project: in whose repository the commits are looked for.
        scratch: an empty folder of the caller's.
    """
    first, second = (_code(run) for run in runs)
    typed = "".join(_typed(first, second))
    if _is_known(first) and all(first.get(key) == second.get(key) for key in STATE):
        return CodeDiff((), typed, ())
    notes: list[str] = []
    try:
        trees = GitTrees(_roots(runs, project), scratch)
        before, after = (
            _tree(run, trees, scratch / str(number), notes) for number, run in enumerate(runs)
        )
        files = tuple(trees.changed(before, after))
        notes += _submodules(first, second)
        order = [pattern for name in modules for pattern in (name, f"*/{name}")]
        text = trees.diff(before, after, order, MOST).decode("utf-8", "replace")
    except IngredientError as error:
        return CodeDiff(None, typed, (*notes, str(error)))
    return CodeDiff(files, text + typed, tuple(notes))


def _code(run: RecordedRun) -> Mapping[str, Any]:
    code = run.manifest.get("code")
    return code if isinstance(code, Mapping) else {}


def _is_known(code: Mapping[str, Any]) -> bool:
    """Return whether the record has a digest of all that makes the state."""
    if code.get("commit") is None:
        return code.get("snapshot_sha256") is not None
    untracked, kept = code.get("untracked") or (), code.get("untracked_kept") or {}
    told = not code.get("dirty") or code.get("diff_sha256") is not None or bool(untracked)
    return told and all(name in kept for name in untracked)


def _roots(runs: Sequence[RecordedRun], project: Project) -> Iterator[Path]:
    """Yield where commits are looked for: here, and where runs of this machine ran."""
    yield project.root
    for run in runs:
        root = _code(run).get("root")
        if not run.is_foreign and isinstance(root, str) and Path(root).is_dir():
            yield Path(root)


def _typed(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    """Yield the difference of classes that no file holds: typed into a notebook or a prompt."""
    before, after = (code.get("sources") or {} for code in (first, second))
    for name in sorted({*before, *after}):
        old, new = (str(each.get(name, "")).splitlines(keepends=True) for each in (before, after))
        for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"):
            yield line if line.endswith("\n") else f"{line}\n"


def _tree(run: RecordedRun, trees: GitTrees, scratch: Path, notes: list[str]) -> str:
    """Return the tree of what a run ran.

    Raises:
        IngredientError: if something of it can't be had.
    """
    scratch.mkdir()
    code, commit = _code(run), _code(run).get("commit")
    if commit is None:
        return trees.tree(None, None, _snapshot(run, scratch), {})
    if not trees.has(str(commit)):
        remote = code.get("remote")
        raise IngredientError(
            f"The commit {str(commit)[:12]} of the run {run.name} is in no repository here. "
            f"`git fetch {remote or 'REMOTE'}` in the project may bring it."
        )
    if code.get("dirty") and not (code.get("diff_sha256") or code.get("untracked")):
        notes.append(f"The run {run.name} ran changes of its commit that are not on record.")
    links = _links(code)
    files = {name: file for name, file in _untracked(run, notes) if not _is_below(name, links)}
    return trees.tree(str(commit), _patch(run), files, links)


def _patch(run: RecordedRun) -> Path | None:
    """Return the uncommitted changes as they were recorded, None if there were none."""
    wanted = _code(run).get("diff_sha256")
    if wanted is None:
        return None
    try:
        return kept_path(run.file(DIFF), wanted, MOST_KEPT)
    except UnlikeError as error:
        raise IngredientError(_patch_told(error, run)) from None


def _patch_told(error: UnlikeError, run: RecordedRun) -> str:
    match error.why:
        case "absent":
            return f"The uncommitted changes of the run {run.name} can't be had."
        case "redacted":
            lines = [place.split("  ")[0] for place in error.places]
            return (
                f"Secrets were taken out of the uncommitted changes of the run {run.name} "
                f"({_some(lines)}), so they can't be applied."
            )
        case _:
            return (
                f"The {DIFF} of the run {run.name} is not the one that was recorded, so it is not "
                f"applied."
            )


def _untracked(run: RecordedRun, notes: list[str]) -> Iterator[tuple[str, tuple[Path, bool]]]:
    """Yield the untracked files that are kept, and note those that are not."""
    kept = _code(run).get("untracked_kept") or {}
    missing = [name for name in _code(run).get("untracked") or () if name not in kept]
    for name, wanted in kept.items():
        path = run.file(f"untracked/{name}") if is_inside(name) else None
        try:
            path = kept_path(path, wanted, MOST_KEPT)
        except UnlikeError:
            missing.append(name)
        else:
            yield name, (path, os.access(path, os.X_OK))
    if missing:
        notes.append(
            f"Untracked files of the run {run.name} are not at hand as they were: {_some(missing)}."
        )


def _links(code: Mapping[str, Any]) -> dict[str, str]:
    """Return the commits of the submodules, by their paths; those inside another left out."""
    commits = {each["path"]: each["commit"] for each in code.get("submodules") or ()}
    return {path: commit for path, commit in commits.items() if not _is_below(path, commits)}


def _is_below(name: str, folders: Iterable[str]) -> bool:
    return any(name.startswith(f"{folder}/") for folder in folders)


def _submodules(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return what the two trees do not show: what is inside of submodules."""
    before, after = (
        {
            each["path"]: (
                each["commit"],
                each["diff_sha256"],
                sorted(_kept_below(each["path"], code)),
            )
            for each in code.get("submodules") or ()
        }
        for code in (first, second)
    )
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not names:
        return []
    return [f"What differs inside of submodules is not shown: {_some(names)}."]


def _kept_below(folder: str, code: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, sha256 in (code.get("untracked_kept") or {}).items():
        if _is_below(name, [folder]):
            yield name, sha256


def _snapshot(run: RecordedRun, scratch: Path) -> Files:
    """Return the files of a run whose code is in no commit, unpacked."""
    path, wanted = run.file(SNAPSHOT), _code(run).get("snapshot_sha256")
    if path is None or wanted is None:
        raise IngredientError(
            f"The run {run.name} was not made in a git repository, and its code was not kept."
        )
    try:
        members = kept_members(path, wanted, MOST_UNPACKED)
    except UnlikeError as error:
        why = "too large to unpack" if error.why == "large" else "not the one recorded"
        raise IngredientError(f"The {SNAPSHOT} of the run {run.name} is {why}.") from None
    found: Files = {}
    for number, each in enumerate(member for member in members if is_inside(member.name)):
        target = scratch / str(number)
        target.write_bytes(each.content)
        found[each.name] = (target, each.executable)
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
