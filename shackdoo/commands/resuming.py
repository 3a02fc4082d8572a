"""From a run that has stopped to its continuation: composed anew, checked, compared."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from shackdoo.commands.captured import Captured, captured, training_data
from shackdoo.commands.checking import Checked, check
from shackdoo.commands.joined import JOINED
from shackdoo.commands.run_lookup import RunLookup
from shackdoo.commands.stopped import (
    Stopped,
    read_stopped,
    refuse_running,
    told,
)
from shackdoo.config.compose import compose
from shackdoo.config.compose.base import Base
from shackdoo.config.project import Project
from shackdoo.config.record import config_digest
from shackdoo.errors import RequestError
from shackdoo.provenance.compare import Difference, differences
from shackdoo.tracking.state import RUNS, close_if_dead, read_run


def reopened(folder: Path, project: Project, force: bool) -> tuple[Checked, Stopped]:
    """Return the request of the run in ``folder``, and what of it is there.

    Args:
        folder: of a run.
        project: where it runs.
        force: accept that what it is made of has changed.

    Raises:
        RequestError: if it can't go on, or what it is made of has changed and not ``force``.
    """
    stopped = _read(folder)
    base = None if stopped.same_as is None else Base.from_json(stopped.same_as)
    checked = check(compose("train", stopped.overrides, project, base=base), project)
    now, changes = changes_since(stopped, checked)
    if changes and not force:
        raise RequestError(
            f"The run {stopped.uid[:8]} can't be resumed to the same bits, since what it is made "
            f"of has changed:\n{told(changes)}\nPut it back as it was, or start anew: shackdoo "
            f"train. `shackdoo resume {stopped.uid[:8]} --force` goes on all the same, and the "
            f"run is marked."
        )
    return checked, stopped.accepting(changes, now)


def stopped_before(checked: Checked) -> Stopped | None:
    """Return the newest unfinished run of this configuration, if ``resume=auto`` asks for it.

    One that can't end in the same bits any more, since something has changed, is left alone.
    """
    if checked.composed.config.resume is None:
        return None
    found = RunLookup(checked.project).unfinished(config_digest(checked.composed.values))
    if found is None:
        _say("resume=auto: no unfinished run of this configuration; starting anew")
        return None
    try:
        stopped = _read(checked.project.state_dir() / RUNS / found.uid)
    except RequestError as error:
        _say(f"resume=auto: {error} Starting anew.")
        return None
    now, changes = changes_since(stopped, checked)
    if changes:
        _say(
            f"resume=auto: the run {stopped.uid[:8]} is left alone, since what it is made of has "
            f"changed:\n{told(changes)}\nstarting anew"
        )
        return None
    return stopped.accepting((), now)


def changes_since(stopped: Stopped, checked: Checked) -> tuple[Captured, list[Difference]]:
    """Return what the run would be made of now, and what of it differs from what it was."""
    now = captured(checked, stopped.uid, training_data(checked))
    return now, differences(stopped.manifest, now.manifest)


def close_opened(project: Project, stopped: Stopped, code: int) -> None:
    """Close the run that ``mlflow run`` has opened, if any: it only points to the resumed one."""
    if JOINED not in os.environ or os.environ[JOINED] == stopped.header["mlflow_run_id"]:
        return
    from shackdoo.commands.record_place import close_joined

    tags = {"shackdoo.kind": "resume", "shackdoo.resumed_run": stopped.uid}
    close_joined(project, tags, "FAILED" if code else "FINISHED")


def _read(folder: Path) -> Stopped:
    run = read_run(folder)
    if run is not None and close_if_dead(run):
        run = read_run(folder)
    if run is None:
        raise RequestError(
            f"{folder} holds no run: it was stopped before its first entry was on disk. Start it "
            f"anew: shackdoo train."
        )
    refuse_running(run)
    return read_stopped(run)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
