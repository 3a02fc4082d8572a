"""``shackdoo diff RUN_A RUN_B``: what differs between two runs, and what it did to the results."""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shackdoo.commands.diff_json import as_object
from shackdoo.commands.diff_text import lines
from shackdoo.commands.foreign_text import printable
from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.options import OptionParser
from shackdoo.commands.recorded_run import recorded_run
from shackdoo.commands.run_comparison import Comparison, compared
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import IngredientError

SAME, DIFFERS = 0, 1


def main(argv: Sequence[str]) -> int:
    """Print what differs; return the exit code.

    Raises:
        IngredientError: if nothing is known to differ, but not everything could be compared.
    """
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    clear_left(project.state_dir())
    with tempfile.TemporaryDirectory(prefix="shackdoo-diff-") as scratch:
        comparison = _compared(options, project, Path(scratch))
        _print(comparison, options)
        if comparison.differs:
            return DIFFERS
        if comparison.unknown:
            raise IngredientError(_not_whole(comparison))
    return SAME


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        prog="shackdoo diff",
        description="Show what differs between two runs, the likeliest cause of other results "
        "first, with the difference of their code, and what it did to the results. Exit code 0: "
        "nothing differs, 1: something does, 3: nothing is known to, but not all is on record.",
    )
    run = "a run's uid or MLflow id, whole or its beginning, or latest"
    parser.add_argument("first", metavar="RUN_A", help=run)
    parser.add_argument("second", metavar="RUN_B", help="another")
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")
    parser.add_argument(
        "--full-code", action="store_true", help="the difference of the code to its end"
    )
    return parser


def _compared(options: argparse.Namespace, project: Project, scratch: Path) -> Comparison:
    places = [scratch / name for name in ("first", "second", "code")]
    for place in places:
        place.mkdir()
    first = recorded_run(options.first, project, places[0])
    second = recorded_run(options.second, project, places[1])
    if first.run.uid == second.run.uid:
        print(f"note: both names mean the run {first.name}", file=sys.stderr)
    return compared(first, second, project, places[2])


def _print(comparison: Comparison, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(as_object(comparison), indent=2))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no such characters
    for line in lines(comparison, options.full_code):
        print(printable(line))


def _not_whole(comparison: Comparison) -> str:
    names = " and ".join(run.name for run in comparison.runs)
    return (
        f"The runs {names} can't be compared whole: nothing is known to differ, but these are not "
        f"on record: {', '.join(comparison.unknown)}. A run that finishes records everything."
    )
