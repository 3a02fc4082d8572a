"""``shackdoo report RUN…``: the page of a run, or of several compared."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.options import OptionParser
from shackdoo.commands.report_source import read_run
from shackdoo.commands.run_lookup import RunLookup
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError, RunError
from shackdoo.report.content import Content
from shackdoo.report.texts import LANGUAGES, Language
from shackdoo.tracking.listing import ListedRun

MOST = 12  # runs that fit beside each other


def main(argv: Sequence[str]) -> int:
    """Make the page and print where it is; return the exit code."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    clear_left(project.state_dir())
    _check_output(options.output)
    runs = _found(options.runs, project)
    contents = [read_run(run, project) for run in runs]
    output = options.output or project.root / "data" / "report" / _name(runs)
    _write(_page(contents, options.language), output)
    print(output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        prog="shackdoo report",
        description="Make the page of a run anew: results, curves, mistakes, what differs from its "
        "parent task, data, environment, and how to run it again. Of several runs, a page that "
        "compares them.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run's uid or MLflow id, whole or its beginning, or latest",
    )
    parser.add_argument(
        "--output",
        type=lambda text: Path(text).expanduser().absolute(),
        metavar="FILE",
        help="where the page goes (a file under data/report)",
    )
    parser.add_argument(
        "--language", choices=LANGUAGES, help="of the page (report.language of the run)"
    )
    return parser


def _check_output(output: Path | None) -> None:
    if output is None:
        return
    if output.is_dir():
        raise RequestError(f"--output {output} is a folder. Name a file: {output / 'report.html'}")
    if not output.parent.is_dir():
        raise RequestError(
            f"The folder {output.parent} of --output does not exist. Make it, or name another file."
        )


def _found(wanted: Sequence[str], project: Project) -> list[ListedRun]:
    if len(wanted) > MOST:
        raise RequestError(f"{len(wanted)} runs are too many for one page. Name at most {MOST}.")
    lookup = RunLookup(project)
    runs = [lookup.find(name) for name in wanted]
    for place, run in enumerate(runs):
        if run.uid in {other.uid for other in runs[:place]}:
            raise RequestError(f"The run {run.uid} is named twice. Name each run once.")
    return runs


def _name(runs: Sequence[ListedRun]) -> str:
    if len(runs) == 1:
        folder = re.sub(r"[^\w.-]", "_", runs[0].run_name).lstrip(".") or runs[0].uid
        return f"{folder}/report.html"
    return f"comparison-{'-'.join(run.uid[:8] for run in runs)}.html"


def _page(contents: Sequence[Content], language: Language | None) -> str:
    from shackdoo.report.page import comparison_page, run_page

    first = contents[0]
    chosen: Language = language or first["language"]
    try:
        return run_page(first, chosen) if len(contents) == 1 else comparison_page(contents, chosen)
    except Exception as error:  # whatever odd content of another's store makes a template raise
        names = ", ".join(str(content["run"].get("uid")) for content in contents)
        raise RunError(
            f"What is recorded of {names} makes no page: {type(error).__name__}: {error}. "
            f"`shackdoo runs --json` shows what is known of a run."
        ) from error


def _write(page: str, output: Path) -> None:
    from shackdoo.report.page import write_page

    try:
        write_page(page, output)
    except OSError as error:
        raise RequestError(
            f"The page {output} can't be written: {error.strerror}. Name another with --output."
        ) from None
