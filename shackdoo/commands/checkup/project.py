"""The project, and the state folder in which its runs are kept until they are shipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from shackdoo.commands.checkup.finding import SHOWN_COMMIT, Finding, mebibytes
from shackdoo.config.project import Project
from shackdoo.provenance.image import code_state
from shackdoo.tracking.journal import writer_is_gone
from shackdoo.tracking.shipping import read_shipping
from shackdoo.tracking.state import LocalRun, local_runs

SCARCE = 1024**3  # bytes free; a run with its model and checkpoints may take as much


def look_at_project(project: Project) -> Finding:
    """Return where the project is, and at which commit."""
    code = code_state(project.root)
    commit, dirty = code["commit"], code["dirty"]
    details = {"root": str(project.root), "commit": commit, "dirty": dirty}
    if not _may_write(project.root):
        return Finding(
            "project",
            "broken",
            f"{project.root} can't be written; models and reports go into its data/",
            "Give yourself the right to write it, or name a project of yours in SHACKDOO_ROOT.",
            details,
        )
    if commit is None:
        return Finding(
            "project",
            "attention",
            f"{project.root}, no commit",
            "git init and a first commit: then each run says which code it ran.",
            details,
        )
    changed = ", the tree differs from it" if dirty else ""
    fact = f"{project.root}, commit {commit[:SHOWN_COMMIT]}{changed}"
    return Finding("project", "ok", fact, None, details)


def look_at_state(project: Project) -> Finding:
    """Return where journals are kept, how much there is, and what waits to be shipped."""
    state = project.state_dir()
    if not _may_write(state):
        return Finding(
            "state folder",
            "broken",
            f"{state} can't be written; journals of runs are kept there",
            "Set SHACKDOO_STATE to a folder of yours.",
            {"folder": str(state)},
        )
    runs = local_runs(state)
    waiting = sum(_waits(run) for run in runs)
    size, free = sum(_sizes(state)), shutil.disk_usage(_existing(state)).free
    details = {
        "folder": str(state),
        "bytes": size,
        "bytes_free": free,
        "runs": len(runs),
        "not_shipped": waiting,
    }
    fact = f"{state}, {len(runs)} runs, {mebibytes(size)}, {mebibytes(free)} free"
    if waiting:
        fact = f"{fact}; not shipped: {waiting}"
        return Finding("state folder", "attention", fact, "shackdoo sync", details)
    if free < SCARCE:
        way_out = "Make room, or set SHACKDOO_STATE to a folder on another disk."
        return Finding("state folder", "attention", fact, way_out, details)
    return Finding("state folder", "ok", fact, None, details)


def _may_write(folder: Path) -> bool:
    """Return whether a folder can be written, or made."""
    there = _existing(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _waits(run: LocalRun) -> bool:
    """Return whether a run has ended and is not in its store."""
    ended = run.status is not None or writer_is_gone(run.journal)
    return ended and not read_shipping(run.folder).done


def _sizes(folder: Path) -> Iterator[int]:
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(where) / name).lstat().st_size
            except OSError:  # gone meanwhile
                continue
