"""``shackdoo resume RUN [--force]``: carry a stopped run on, to the bits it would have ended in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shackdoo.commands.joined import joined_run
from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.options import OptionParser
from shackdoo.commands.resuming import reopened
from shackdoo.commands.run_lookup import LATEST, RunLookup
from shackdoo.commands.train import execute
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError
from shackdoo.tracking.listing import KIND, RUNNING, ListedRun
from shackdoo.tracking.state import RUNS

ABOUT = """Carry on a training that was stopped: killed, interrupted or failed. It goes on from its
newest checkpoint, in the same run of the store, and ends in the bits that it would have ended in.
A run of another machine goes on from the checkpoint in the store (checkpoint.ship)."""


def main(argv: Sequence[str]) -> int:
    """Resume; return the exit code of the training."""
    parser = OptionParser(prog="shackdoo resume", description=ABOUT)
    parser.add_argument(
        "run",
        metavar="RUN",
        help="id of a run, its beginning, or latest: the newest unfinished one",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="go on although code, config, data or environment have changed; the run is marked",
    )
    options = parser.parse_args(argv)
    project = find_project()
    load_dotenv(project)
    clear_left(project.state_dir())
    with joined_run(project):
        folder = _folder(project, options.run, options.force)
        return execute(*reopened(folder, project, options.force))


def _folder(project: Project, wanted: str, force: bool) -> Path:
    """Return the folder of the run that is meant; one of another machine is fetched."""
    lookup = RunLookup(project)
    run = _newest_unfinished(lookup) if wanted == LATEST else lookup.find(wanted)
    if run.tags.get(KIND):
        raise RequestError(
            f"The run {run.uid[:8]} ({run.run_name}) is no training but of the kind "
            f"'{run.tags[KIND]}': only trainings are resumed."
        )
    if run.shipped is not None:
        return project.state_dir() / RUNS / run.uid
    if run.status == RUNNING and not force:
        raise RequestError(
            f"The run {run.uid[:8]} ({run.run_name}) of another machine is RUNNING as far as the "
            f"store knows. If that machine is gone: shackdoo resume {run.uid[:8]} --force."
        )
    from shackdoo.commands.fetched_run import fetch_run

    return fetch_run(run, project)


def _newest_unfinished(lookup: RunLookup) -> ListedRun:
    found = lookup.unfinished()
    if found is None:
        raise RequestError(
            "No training of this project on this machine is unfinished. `shackdoo runs` lists "
            "the runs; `shackdoo train` starts one."
        )
    return found
