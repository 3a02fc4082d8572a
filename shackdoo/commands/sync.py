"""``shackdoo sync [--follow RUN] [--to URI]``: ship what the tracking server has not got yet."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.leftovers import close_left_runs
from shackdoo.commands.options import OptionParser
from shackdoo.commands.parent_task import compare_with_parent
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.provenance.redact import without_credentials
from shackdoo.report.drawing import FILES, draw
from shackdoo.tracking.journal import writer_is_gone
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import POLL_SECONDS, Shipping, entries_left, read_shipping
from shackdoo.tracking.state import LocalRun, close_if_dead, find_run, local_runs, prune
from shackdoo.tracking.store import resolve_uri

NICENESS = 10  # the training next door comes first
AUTOGROUP, AUTOGROUP_NICENESS = Path("/proc/self/autogroup"), 19
TRIES = 20


def main(argv: Sequence[str]) -> int:
    """Ship; return 0, or 1 if something is left."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    state = project.state_dir()
    if options.follow:
        code = _follow(project, state, options.follow)
    else:
        clear_left(state)
        close_left_runs(project)
        code = _sync(project, state, options.to)
    prune(state)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        prog="shackdoo sync",
        description="Ship what the tracking server has not got yet. Twice in a row adds nothing.",
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--follow",
        metavar="RUN",
        help="carry this run while it is going on, until it has ended; then what others left",
    )
    way.add_argument(
        "--to",
        metavar="URI",
        help="ship all runs of this machine to another server or database; begin where an "
        "earlier sync to it ended",
    )
    return parser


def _follow(project: Project, state: Path, wanted: str) -> int:
    run = find_run(state, wanted)
    _step_aside(run.journal)
    compare_with_parent(run.folder / "files")
    done = ship(run.folder, _workshop(), follow=True).done
    for other in _unshipped(state, None):
        _report(other, ship(other.folder, _workshop()), None, "")
    close_left_runs(project)
    return 0 if done else 1


def _step_aside(journal: Path) -> None:
    """Let the training that writes the journal have the processors until it has ended.

    Many a Linux weighs sessions as a whole against each other, and we have one of our own: there
    niceness means nothing beyond it, and the session has a niceness instead. It is spread over
    all processors, so that only the highest one is high enough on a machine with many. With it a
    shipper gets next to nothing beside a training; it must not wait for the next one, too, or
    the shippers of many short trainings in a row would pile up.
    """
    os.nice(NICENESS)
    if AUTOGROUP.exists():
        _weigh_session(AUTOGROUP_NICENESS)
        threading.Thread(target=_come_back, args=(journal,), daemon=True).start()


def _come_back(journal: Path) -> None:
    while not writer_is_gone(journal):
        time.sleep(POLL_SECONDS)
    _weigh_session(0)


def _weigh_session(niceness: int) -> None:
    for _ in range(TRIES):
        with suppress(OSError):  # only ten times a second on the whole machine, if we are not root
            AUTOGROUP.write_text(str(niceness))
            return
        time.sleep(POLL_SECONDS)


def _sync(project: Project, state: Path, to: str | None) -> int:
    uri = None if to is None else resolve_uri(to, project.root)
    runs = _unshipped(state, uri)
    if not runs:
        print("nothing to ship")
    left = 0
    for number, run in enumerate(runs, 1):
        target = None if uri == run.header["tracking_uri"] else uri
        with _progress(run) as progress:
            shipping = ship(run.folder, _workshop(), to=target, progress=progress)
        left += _report(run, shipping, target, f"{number}/{len(runs)}  ")
    if left:
        print(f"{left} of {len(runs)} runs are not shipped whole", file=sys.stderr)
    return 1 if left else 0


def _unshipped(state: Path, uri: str | None) -> list[LocalRun]:
    """Return the runs that have ended (or died, and are closed now) and are not in their store.

    The oldest come first: a run that others are parts of is there before them.
    """

    def done(run: LocalRun) -> bool:
        return read_shipping(run.folder, None if uri == run.header["tracking_uri"] else uri).done

    return [run for run in reversed(local_runs(state)) if not done(run) and close_if_dead(run)]


def _workshop() -> Workshop:
    """Return what draws pictures and takes out secrets; loaded when there is something to do."""

    def redact(source: Path, target: Path) -> None:
        from shackdoo.provenance.redact_diff import redact_file

        redact_file(source, target)

    return Workshop({kind: partial(draw, kind) for kind in FILES}, redact)


@contextmanager
def _progress(run: LocalRun) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much of a journal has gone."""
    from tqdm import tqdm

    size = run.journal.stat().st_size
    with tqdm(
        total=size,
        unit="B",
        unit_scale=True,
        desc=run.header["run_name"],
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as bar:

        def show(offset: int) -> None:
            bar.update(offset - bar.n)

        yield show


def _report(run: LocalRun, shipping: Shipping, to: str | None, count: str) -> bool:
    """Print how far a run is; return whether something of it is left."""
    name = f"{count}{run.header['run_name']}  {run.uid}"
    where = without_credentials(to or run.header["tracking_uri"])
    if shipping.done and shipping.error:
        print(f"gone      {name}  {shipping.error}", file=sys.stderr, flush=True)
        return False
    if shipping.done:
        print(f"shipped   {name}  MLflow run {shipping.mlflow_run_id}, {where}", flush=True)
        return False
    why = shipping.error or "another shipper has it in hand"
    print(
        f"left      {name}  {entries_left(run.folder, to)} entries for {where}: {why}. "
        f"`shackdoo sync{f' --to {where}' if to else ''}` tries again; what is recorded stays on "
        f"disk.",
        file=sys.stderr,
        flush=True,
    )
    return True
