"""Runs that ``mlflow run`` has opened and left RUNNING, since it refused something itself.

It opens a run before it has looked at everything: the name of a parameter, the braces of a
command, an image that is not there. When that fails, it ends without a word to the store.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shackdoo.commands.joined import JOINED
from shackdoo.provenance import git
from shackdoo.provenance.image import in_container
from shackdoo.provenance.redact import without_credentials
from shackdoo.tracking.listing import RUNNING, STATUS, ListedRun
from shackdoo.tracking.state import local_runs
from shackdoo.tracking.store import sqlite_file
from shackdoo.tracking.store_runs import Query, search_store

SOURCE, SOURCE_TYPE, USER = "mlflow.source.name", "mlflow.source.type", "mlflow.user"
BACKEND = "mlflow.project.backend"  # set before the end by backends that run elsewhere only
AT_ONCE = 100  # runs looked at; what is left is closed another time
# A store that other machines use as well: their `mlflow run` can't be seen from here.
ELSEWHERE_SECONDS = 600.0
CLOCK = 2.0  # seconds by which the time of a process's start may be wrong
WHY = (
    "mlflow run refused this run itself before the program started (the name of a parameter, "
    "braces in a command, an image), or was killed; what it said stands in its own output"
)


def close_unstarted(uri: str, root: Path, state: Path) -> list[ListedRun]:
    """Close the runs that this user's ``mlflow run`` of this project has left, as FAILED.

    Args:
        uri: the store they are in, as :func:`~shackdoo.tracking.store.resolve_uri` returns it.
        root: of the project.
        state: the state folder: a run that it knows has started.

    Returns:
        Those that are closed now.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    if in_container():  # the processes of the host can't be seen from here
        return []
    wanted = ((SOURCE_TYPE, "PROJECT"), (USER, getpass.getuser()))
    found = search_store(uri, Query(AT_ONCE, status=RUNNING, tagged=wanted)).runs
    never_began = [run for run in found if run.run_uid is None]
    left = [run for run in never_began if _is_of(run, root) and _is_old_enough(run)]
    if not left:
        return []
    known = {run.header["mlflow_run_id"] for run in local_runs(state)}
    left = [run for run in left if run.mlflow_run_id not in known and not _is_going_on(run, root)]
    if left:
        from shackdoo.tracking.mlflow_run import close_run

        for run in left:
            tags = {"shackdoo.error": WHY, STATUS: "FAILED"}
            close_run(uri, str(run.mlflow_run_id), "FAILED", tags)
    return left


def _is_of(run: ListedRun, root: Path) -> bool:
    """Return whether a run was started from the project's tree, or from what it is a clone of."""
    if run.tags.get(BACKEND, "local") != "local":
        return False  # a job in a queue
    place, folder = _place(source := run.tags.get(SOURCE, "")), source.partition("#")[2]
    if "://" not in place and place.startswith("/"):
        path = Path(place, folder).resolve()
        return path == root.resolve() or root.resolve() in path.parents
    remote = git.describe(root)["remote"]
    return remote is not None and _bare(place) == _bare(remote)


def _place(source: str) -> str:
    """Return the path or the address of a project, without the folder in it."""
    return source.removeprefix("file://").partition("#")[0]


def _bare(address: str) -> str:
    return without_credentials(address).rstrip("/").removesuffix(".git")


def _is_old_enough(run: ListedRun) -> bool:
    if sqlite_file(run.store) is not None:
        return True
    return time.time() - run.start_time / 1000 > ELSEWHERE_SECONDS


def _is_going_on(run: ListedRun, root: Path) -> bool:
    """Return whether a process may be the run's: its ``mlflow run``, or what that has started."""
    processes, run_id = list(_processes()), str(run.mlflow_run_id)
    if any(each.joined == run_id or run_id in " ".join(each.words) for each in processes):
        return True
    busy = {each.parent for each in processes if each.joined}  # with another run
    latest = run.start_time / 1000 + CLOCK
    return any(
        each.created <= latest and each.pid not in busy and each.may_have_opened(run, root)
        for each in processes
    )


@dataclass(frozen=True)
class _Process:
    """A living process: its command line, its folder if that can be known, and its run.

    The run is the one that its environment names, or ``""``.
    """

    pid: int
    parent: int
    words: list[str]
    folder: str | None
    created: float
    joined: str

    def may_have_opened(self, run: ListedRun, root: Path) -> bool:
        """Return whether this is an ``mlflow run`` that may have opened a run of the project.

        Which of its words names what is to be run only MLflow's own parser knows. It may be the
        address that the run has on record, or a path; without one, the folder it works in.
        """
        names = [Path(word).name for word in self.words]
        if "mlflow" not in names or "run" not in names[names.index("mlflow") :]:
            return False
        words = [_place(word) for word in self.words]
        if self.folder is None or _bare(_place(run.tags.get(SOURCE, ""))) in map(_bare, words):
            return True
        places = [Path(self.folder, word).resolve() for word in ("", *words)]
        return any(root.resolve() in (place, *place.parents) for place in places)


def _processes() -> Iterator[_Process]:
    import psutil

    wanted = ("pid", "ppid", "cmdline", "cwd", "create_time", "environ", "status")
    for process in psutil.process_iter(wanted):
        facts = process.info
        if facts["status"] != psutil.STATUS_ZOMBIE:
            joined = (facts["environ"] or {}).get(JOINED, "")
            words, created = facts["cmdline"] or [], facts["create_time"] or 0.0
            yield _Process(facts["pid"], facts["ppid"], words, facts["cwd"], created, joined)
