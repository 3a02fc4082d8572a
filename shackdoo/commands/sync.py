"""``shackdoo sync [--follow RUN]``: ship what the tracking server has not got yet."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from shackdoo.config.project import find_project, load_dotenv
from shackdoo.tracking.shipper import Draw, ship
from shackdoo.tracking.shipping import Shipping, read_shipping
from shackdoo.tracking.state import LocalRun, close_if_dead, find_run, local_runs

NICENESS = 10  # the training next door comes first


def main(argv: Sequence[str]) -> int:
    """Ship; return 0, or 1 if something is left."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    state = project.state_dir()
    if options.follow:
        return _follow(state, options.follow)
    left = [_report(run, _ship(run, follow=False)) for run in _unshipped(state)]
    if not left:
        print("nothing to ship")
    return 1 if any(left) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shackdoo sync",
        description="Ship what the tracking server has not got yet. Twice in a row adds nothing.",
    )
    parser.add_argument(
        "--follow",
        metavar="RUN",
        help="carry this run while it is going on, until it has ended; then what others left",
    )
    return parser


def _follow(state: Path, wanted: str) -> int:
    os.nice(NICENESS)
    run = find_run(state, wanted)
    done = _ship(run, follow=True).done
    for other in _unshipped(state):
        _report(other, _ship(other, follow=False))
    return 0 if done else 1


def _unshipped(state: Path) -> list[LocalRun]:
    """Return the runs that have ended (or died, and are closed now) and are not in their store."""
    runs = [run for run in local_runs(state) if not read_shipping(run.folder).done]
    return [run for run in runs if close_if_dead(run)]


def _ship(run: LocalRun, follow: bool) -> Shipping:
    return ship(run.folder, _figures(), follow)


def _figures() -> Draw:
    """Return what draws pictures; matplotlib is imported when the first one is drawn."""

    def draw_with(kind: str) -> object:
        def draw(content: dict[str, object], file: Path) -> None:
            from shackdoo.report.plots import FIGURES

            FIGURES[kind](content, file)

        return draw

    return {kind: draw_with(kind) for kind in ("learning_curves", "confusion_matrix")}  # type: ignore[misc]


def _report(run: LocalRun, shipping: Shipping) -> bool:
    """Print how far a run is; return whether something of it is left."""
    name = f"{run.header['run_name']}  {run.uid}"
    if shipping.done:
        print(f"shipped   {name}  MLflow run {shipping.mlflow_run_id}", flush=True)
        return False
    why = shipping.error or "another shipper has it in hand"
    print(
        f"left      {name}  {why}. `shackdoo sync` tries again; what is recorded stays on disk.",
        file=sys.stderr,
        flush=True,
    )
    return True
