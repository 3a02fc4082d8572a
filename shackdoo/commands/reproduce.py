"""``shackdoo reproduce RUN``: make a recorded run again, and say if it is the same to the bit."""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from shackdoo.commands.consent import ask
from shackdoo.commands.foreign_text import printable
from shackdoo.commands.left_reproductions import clear_left, scratch_folder
from shackdoo.commands.options import OptionParser
from shackdoo.commands.recorded_needs import InferNeeds, Needs
from shackdoo.commands.recorded_run import RecordedRun, recorded_run
from shackdoo.commands.reproduction import Reproduction, Wish
from shackdoo.commands.verdict import EXIT, Verdict
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import IngredientError, RequestError
from shackdoo.tracking.listing import KIND, RUNNING

ABOUT = """Make a recorded run again from what is on record of it: its commit and uncommitted
changes in a folder of their own, its data by their digests, its packages in their versions. Then
train, and compare weights, predictions and every metric to the last bit. Your own tree is not
touched, and nothing is left but the new run."""
EPILOG = """exit codes: 0 identical; 1 it differs, or has failed; 2 the request is wrong, nothing
was started; 3 it can't be compared to the bit: another machine, or something of the run is lost."""
ORDER = ("identical", "same metrics, other bits", "differs", "not comparable")  # the worst is last
KINDS = ("train", "infer")


def main(argv: Sequence[str]) -> int:
    """Reproduce a run; return the exit code."""
    options = _options(argv)
    project = find_project()
    load_dotenv(project)
    state = project.state_dir()
    clear_left(state)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, _terminated)
    with scratch_folder(state) as scratch:
        run = recorded_run(options.run, project, scratch)
        _check(run)
        if options.dry_run:
            return _dry_run(run, project, options, scratch)
        ask(run, options.yes)
        verdicts = list(_verdicts(run, project, options, scratch))
    _print(run, verdicts, options.json)
    return max(EXIT[verdict.word] for verdict in verdicts)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """End in the usual order: the child is ended and closes its record, the tree is removed."""
    sys.exit(128 + number)


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = OptionParser(prog="shackdoo reproduce", description=ABOUT, epilog=EPILOG)
    parser.add_argument("run", metavar="RUN", help="id of a run or its beginning, or latest")
    parser.add_argument(
        "--here",
        action="store_true",
        help="with the Python, packages, variables and threads of now instead of the recorded ones",
    )
    parser.add_argument(
        "--epochs", type=_positive, metavar="K", help="prove the first K epochs by their metrics"
    )
    parser.add_argument(
        "--times", type=_positive, default=1, metavar="N", help="do it N times; gives the spread"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done and what is missing"
    )
    parser.add_argument(
        "--yes", action="store_true", help="don't ask before code of another machine's run is run"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 on")
    return number


def _check(run: RecordedRun) -> None:
    """Raise what keeps the run from being made again at all."""
    kind, name = run.run.tags.get(KIND, "train"), run.name
    if kind not in KINDS:
        raise RequestError(
            f"The run {name} is of the kind '{kind}'; trainings and inferences are reproduced."
        )
    if run.run.status == RUNNING and not run.is_foreign:
        raise RequestError(f"The run {name} is still going on. Reproduce it when it has ended.")
    if kind == "train" and "run" not in run.manifest["config"]["flows"]:
        raise RequestError(
            f"The run {name} has trained nothing (flows={run.manifest['config']['flows']}), so "
            f"there is nothing to compare."
        )


def _verdicts(
    run: RecordedRun, project: Project, options: argparse.Namespace, scratch: Path
) -> Iterator[Verdict]:
    reproduction = _reproduction(run, project, options, scratch)
    ready = _needs(run, project, options, scratch).ready()
    for number in range(options.times):
        if options.times > 1:
            _say(f"── {number + 1} of {options.times}")
        yield reproduction.again(ready)


def _reproduction(
    run: RecordedRun, project: Project, options: argparse.Namespace, scratch: Path
) -> Reproduction:
    from shackdoo.commands.configured_store import configured_uri
    from shackdoo.tracking.store import resolve_uri

    way_out = "Set MLFLOW_TRACKING_URI, or tracking.uri in conf/local/default.yaml."
    uri = resolve_uri(configured_uri(project, way_out), project.root)
    recorded = run.manifest["config"]["task"]["parameters"].get("epochs")
    if options.epochs is not None and isinstance(recorded, int) and options.epochs > recorded:
        raise RequestError(
            f"--epochs {options.epochs} is more than the run {run.name} has: {recorded}."
        )
    if options.epochs is not None and KIND in run.run.tags:
        raise RequestError(f"The run {run.name} has no epochs: it is an inference.")
    wish = Wish(here=options.here, epochs=options.epochs)
    return Reproduction(run, project, uri, wish, scratch, _say)


def _needs(run: RecordedRun, project: Project, options: argparse.Namespace, scratch: Path) -> Needs:
    _say(f"reproduce {run.run.run_name}  run {run.run.uid}")
    kind = InferNeeds if KIND in run.run.tags else Needs
    # Of another machine's run nothing is fetched before somebody has said yes.
    fetching = options.yes or not (options.dry_run and run.is_foreign)
    return kind(run, project, options.here, scratch, _say, fetching)


def _dry_run(run: RecordedRun, project: Project, options: argparse.Namespace, scratch: Path) -> int:
    """Say what would be done; return 3 if something is missing."""
    missing = _needs(run, project, options, scratch).missing()
    for trouble in missing:
        _say(f"MISSING   {trouble}")
    if options.json:
        print(json.dumps({"run": run.run.uid, "missing": missing}, indent=1, ensure_ascii=False))
    elif not missing:
        print("nothing is missing; the run can be made again")
    return IngredientError.exit_code if missing else 0


# ── what is told ─────────────────────────────────────────────────────────────────────────────────


def _print(run: RecordedRun, verdicts: Sequence[Verdict], as_json: bool) -> None:
    if as_json:
        content = {
            "recorded": run.run.uid,
            "verdict": _worst(verdicts).word,
            "runs": [verdict.as_json() for verdict in verdicts],
            "spread": _spread(verdicts),
        }
        print(json.dumps(content, indent=1, ensure_ascii=False))
        return
    worst = _worst(verdicts)
    _print_table(worst.rows())
    if len(verdicts) > 1:
        _print_spread(verdicts)
    print(printable(worst.headline()))


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: ORDER.index(verdict.word))


def _print_table(rows: Sequence[tuple[str, str, str, str]]) -> None:
    table = [("ingredient", "recorded", "now", "same?"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print(printable("  ".join([*cells, row[3]]).rstrip()))
    print()


def _print_spread(verdicts: Sequence[Verdict]) -> None:
    same = sum(verdict.word == "identical" for verdict in verdicts)
    print(f"{same} of {len(verdicts)} are identical to the recorded run")
    for name, (least, middle, most) in _spread(verdicts).items():
        print(f"  {name:<16} {middle!r} ({least!r} to {most!r})")
    print()


def _spread(verdicts: Sequence[Verdict]) -> dict[str, tuple[float, float, float]]:
    """Return least, median and largest value of each final metric."""
    values: dict[str, list[float]] = {}
    for verdict in verdicts:
        metrics: Mapping[str, Any] = verdict.second.metrics
        for name, value in metrics.items():
            values.setdefault(name, []).append(value)
    return {n: (min(vs), statistics.median(vs), max(vs)) for n, vs in sorted(values.items())}


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
