"""``shackdoo runs``: the runs of this machine and of the store, as a tree or as JSON."""

from __future__ import annotations

import argparse
import io
import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from shackdoo.commands.configured_store import configured_uri
from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.leftovers import close_left_runs
from shackdoo.commands.options import OptionParser
from shackdoo.commands.run_tree import tree
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError, StoreError, did_you_mean, listing
from shackdoo.provenance.redact import without_credentials
from shackdoo.report.tree import draw
from shackdoo.tracking.listing import RUNNING, STATUSES, ListedRun, list_local, merged
from shackdoo.tracking.registry import Version, find_versions
from shackdoo.tracking.store import resolve_uri
from shackdoo.tracking.store_runs import Found, Query, search_store

LIMIT = 50
LOOKED_THROUGH = 1000  # runs of the store, newest first, for what exists when nothing was found
NOTHING = "no run is recorded yet; make one: shackdoo train task=Mnist_B"


def main(argv: Sequence[str]) -> int:
    """Print the runs; return the exit code."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    clear_left(project.state_dir())
    if not options.local:
        close_left_runs(project)
    look = _Look(list_local(project.state_dir()), None if options.local else _store(project))
    query = _query(options)
    found = look.find(query)
    if not found.runs:
        empty = _why_none(look, query, found)
        print("[]" if options.json else empty)
        return 0
    _check_metric(query, found)
    shown = look.registered(found.runs[: query.limit])
    _print(found, shown, query, options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        prog="shackdoo runs",
        description="Show the runs of this machine and of the tracking store: experiment, tag, "
        "run, with the parameters that differ, results, status, and what is not shipped yet.",
    )
    parser.add_argument("--experiment", help="of this experiment only")
    parser.add_argument("--task", help="of this task only")
    parser.add_argument("--tag", help="of this tag only")
    parser.add_argument("--status", type=_status, help=", ".join(STATUSES))
    parser.add_argument(
        "--sort",
        metavar="METRIC",
        help="the best first: the largest value, or the smallest of a metric that ends with loss",
    )
    parser.add_argument("--reverse", action="store_true", help="the other way than --sort has it")
    parser.add_argument(
        "--limit", type=_limit, default=LIMIT, metavar="N", help=f"this many ({LIMIT})"
    )
    parser.add_argument("--local", action="store_true", help="this machine's; ask no store")
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")
    return parser


def _status(text: str) -> str:
    if (status := text.upper()) not in STATUSES:
        raise argparse.ArgumentTypeError(
            f"no status '{text}'.{did_you_mean(text, STATUSES)} Known: {listing(STATUSES)}"
        )
    return status


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 on")
    return int(text)


def _query(options: argparse.Namespace) -> Query:
    if options.reverse and options.sort is None:
        raise RequestError("--reverse turns the order of --sort METRIC, which is missing.")
    return Query(
        limit=options.limit,
        experiment=options.experiment,
        task=options.task,
        tag=options.tag,
        status=options.status,
        metric=options.sort,
        ascending=options.sort is not None and options.sort.endswith("loss") != options.reverse,
    )


def _store(project: Project) -> str:
    way_out = "`shackdoo runs --local` shows the runs of this machine."
    return resolve_uri(configured_uri(project, way_out), project.root)


class _Look:
    """Looks for runs here and in the store; a store that fails is asked no second time."""

    def __init__(self, local: list[ListedRun], uri: str | None) -> None:
        self._local = local
        self._uri = uri

    def find(self, query: Query) -> Found:
        """Return the runs that are wanted: all of this machine, those of the store to the limit."""
        stored = self._stored(query)
        runs = [run for run in merged(self._local, stored.runs) if _is_wanted(run, query)]
        if query.metric is not None:
            runs.sort(key=lambda run: _rank(run.metrics.get(str(query.metric)), query.ascending))
        here = {run.experiment for run in self._local if run.experiment}
        return Found(runs, stored.more, stored.experiments | here)

    def registered(self, runs: list[ListedRun]) -> list[ListedRun]:
        """Return the runs with the versions of registered models that they have made."""
        ids = [run.mlflow_run_id for run in runs if run.store == self._uri and run.mlflow_run_id]
        try:
            versions = find_versions(self._uri, run_ids=ids) if self._uri and ids else []
        except StoreError as error:
            print(f"warning: {error} Registered models are not shown.", file=sys.stderr)
            return runs
        of_run: dict[str, tuple[Version, ...]] = {}
        for version in versions:
            of_run[version.run_id] = (*of_run.get(version.run_id, ()), version)
        return [
            replace(run, registered=of_run.get(run.mlflow_run_id or "", ()))
            if run.store == self._uri
            else run
            for run in runs
        ]

    def _stored(self, query: Query) -> Found:
        try:
            if self._uri is not None:
                return search_store(self._uri, query)
        except StoreError as error:
            print(f"warning: {error} Only the runs of this machine are shown.", file=sys.stderr)
            self._uri = None
        return Found([], False, frozenset())


def _is_wanted(run: ListedRun, query: Query) -> bool:
    pairs = (
        (query.experiment, run.experiment),
        (query.task, run.task),
        (query.tag, run.tag),
        (query.status, run.status),
    )
    return all(wanted in (None, value) for wanted, value in pairs)


def _rank(value: float | None, ascending: bool) -> tuple[bool, float]:
    if value is None or math.isnan(value):
        return True, 0.0
    return False, value if ascending else -value


def _why_none(look: _Look, query: Query, found: Found) -> str:
    """Return why no run was found: there are none, or none like this.

    Raises:
        RequestError: if what was asked for does not exist.
    """
    runs = look.find(Query(LOOKED_THROUGH)).runs
    if not runs:
        return NOTHING
    _check("experiment", query.experiment, found.experiments)
    _check("task", query.task, {run.task for run in runs if run.task})
    _check("tag", query.tag, {run.tag for run in runs if run.tag})
    asked = {name: getattr(query, name) for name in ("experiment", "task", "tag", "status")}
    options = " ".join(f"--{name} {value}" for name, value in asked.items() if value is not None)
    return f"no run matches {options}; {len(runs)} are recorded"


def _check(what: str, name: str | None, known: frozenset[str] | set[str]) -> None:
    if name is not None and name not in known:
        raise RequestError(
            f"No {what} '{name}'.{did_you_mean(name, known)} Known: {listing(known)}."
        )


def _check_metric(query: Query, found: Found) -> None:
    known = {name for run in found.runs for name in run.metrics}
    _check("metric", query.metric, known)


def _print(found: Found, shown: list[ListedRun], query: Query, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_object(run) for run in shown], indent=2))
    else:
        _print_tree(shown, query)
    left = len(found.runs) - len(shown)
    if left or found.more:
        number = f"at least {max(left, 1)}" if found.more else left
        print(
            f"{number} more runs are left out; --limit {2 * query.limit} shows more of them.",
            file=sys.stderr if as_json else sys.stdout,
        )
    if not as_json and (whole := _not_whole(shown)):
        print(whole)


def _print_tree(runs: list[ListedRun], query: Query) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no such characters
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in draw(tree(runs, query.metric), width):
        print(line)


def _not_whole(runs: list[ListedRun]) -> str | None:
    """Return what to do about runs that have ended and are not in their store."""
    ended = (run.shipped for run in runs if run.status != RUNNING)
    count = sum(shipped is not None and not shipped.done for shipped in ended)
    if count == 1:
        return "1 run is not shipped whole; `shackdoo sync` ships it."
    return f"{count} runs are not shipped whole; `shackdoo sync` ships them." if count else None


def _object(run: ListedRun) -> dict[str, Any]:
    return {
        "run_uid": run.run_uid,
        "mlflow_run_id": run.mlflow_run_id,
        "experiment": run.experiment,
        "tag": run.tag,
        "task": run.task,
        "run_name": run.run_name,
        "status": run.status,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "params": run.params,
        "metrics": {k: v if math.isfinite(v) else None for k, v in run.metrics.items()},
        "tags": run.tags,
        "store": without_credentials(run.store),
        "shipped": run.shipped and asdict(run.shipped),
        "registered": [
            {"name": each.name, "version": each.version, "aliases": list(each.aliases)}
            for each in run.registered
        ],
    }
