"""Runs as the tree that ``shackdoo runs`` prints: experiment, tag, run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from shackdoo.metric_names import TEST, VALIDATION
from shackdoo.provenance.redact import without_credentials
from shackdoo.report.tree import Node
from shackdoo.tracking.listing import KIND, ListedRun

TRAINED = "shackdoo.trained_run"
INPUT, CATALOG = "config.input", "catalog."
COUNTS = ("inputs", "refused", "known")  # metrics that count
RESULTS = 4  # at most, a run; --json has all
LONGEST_VALUE = 60  # characters of a parameter
FIRST = ("test_accuracy", "val_accuracy", "test_loss", "val_loss", "loss", "accuracy")
SMALL, LARGE = 1e-3, 1e5  # from here to there four decimals say enough
UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def tree(runs: Sequence[ListedRun], metric: str | None) -> list[Node]:
    """Return the tree of the runs; what comes first among them comes first in it.

    Parts of a run stand below it if they have its tag.

    Args:
        runs: in their order.
        metric: shown first among the results, if there is one that they are sorted by.
    """
    return [
        Node([[experiment or "(no experiment)"]], [_tag(*each, metric) for each in _groups(some)])
        for experiment, some in _grouped(runs, lambda run: run.experiment)
    ]


def _groups(runs: Sequence[ListedRun]) -> list[tuple[str, list[ListedRun]]]:
    return _grouped(runs, lambda run: run.tag or "(no tag)")


def _grouped(
    runs: Iterable[ListedRun], key: Callable[[ListedRun], str]
) -> list[tuple[str, list[ListedRun]]]:
    groups: dict[str, list[ListedRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.items())


def _tag(tag: str, runs: Sequence[ListedRun], metric: str | None) -> Node:
    stores = {without_credentials(run.store) for run in runs}
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    trainings = [run for run in runs if KIND not in run.tags]
    keys, here = differing(trainings or runs), {run.uid for run in runs}
    parts = dict(_grouped(runs, lambda run: parent if (parent := run.parent) in here else ""))

    def node(run: ListedRun) -> Node:
        lines = _lines(run, metric, keys, len(stores) > 1)
        return Node(lines, [node(part) for part in parts.get(run.uid, ())])

    top = [node(run) for run in parts.get("", ())]
    return Node([[tag, count, *(stores if len(stores) == 1 else ())]], top)


def _lines(
    run: ListedRun, metric: str | None, keys: dict[str, str], with_store: bool
) -> list[list[str]]:
    """Return what is said of a run: what it came to, what sets it apart, what is to be known."""
    start = datetime.fromtimestamp(run.start_time / 1000).strftime("%Y-%m-%d %H:%M")
    kind = run.tags.get(KIND)
    state = [run.uid[:8], start, f"{run.status:<8}", f"{duration(_seconds(run)):>9}"]
    results = [f"{name} {_result(name, run.metrics[name])}" for name in main_metrics(run, metric)]
    values = [
        f"{short}={_cut(run.params[key])}" for key, short in keys.items() if key in run.params
    ]
    if trained := run.tags.get(TRAINED):
        values = [f"model {trained[:8]}", *_inputs(run)]
    place = [without_credentials(run.store)] if with_store else []
    return [
        [*state, *([kind] if kind else ()), *results],
        values,
        [*place, *map(str, run.registered), *_left(run)],
        [_error(run)],
    ]


def _inputs(run: ListedRun) -> list[str]:
    """Return what an inference has answered about."""
    return [f"input={_cut(run.params[INPUT])}"] if INPUT in run.params else []


def _result(name: str, value: float) -> str:
    return f"{value:.0f}" if name in COUNTS else number(value)


def differing(runs: Iterable[ListedRun]) -> dict[str, str]:
    """Return the parameters that differ among the runs: key, and the key as it is shown.

    Bare names are what ``mlflow run`` logs by itself. A run without any parameter (one that
    ended before it had them, or holds others together) differs in none.
    """
    params = [own for run in runs if (own := _own(run))]
    every = sorted({key for own in params for key in own})
    keys = [key for key in every if len({own.get(key) for own in params}) > 1]
    common = len(_common([key.split(".")[:-1] for key in keys]))
    return {key: ".".join(key.split(".")[common:]) for key in keys}


def _own(run: ListedRun) -> dict[str, str]:
    """Return the parameters that may set a run apart; the catalog's entries are everybody's."""
    return {k: v for k, v in run.params.items() if "." in k and not k.startswith(CATALOG)}


def _common(paths: Sequence[Sequence[str]]) -> list[str]:
    """Return what all paths begin with."""
    levels = [set(level) for level in zip(*paths, strict=False)]
    depth = next((n for n, level in enumerate(levels) if len(level) > 1), len(levels))
    return list(paths[0][:depth]) if paths else []


def main_metrics(run: ListedRun, metric: str | None) -> list[str]:
    """Return the names of the metrics that tell most about a run.

    ``metric`` comes first, then what ranks the runs of its task; of the others those of the test
    and the validation, if there are any.
    """
    main = {name for name in run.metrics if name.startswith((TEST, VALIDATION))}
    chosen = (metric, run.params.get("best.metric"))
    wanted = dict.fromkeys([*chosen, *FIRST, *sorted(run.metrics)])
    shown = (main or {*run.metrics}) | {*chosen}
    return [name for name in wanted if name in run.metrics and name in shown][:RESULTS]


def number(value: float) -> str:
    """Return a result, short."""
    return f"{value:.4f}" if value == 0 or SMALL <= abs(value) < LARGE else f"{value:.3g}"


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"


def _seconds(run: ListedRun) -> int:
    """Return how long the run took, or has been going on."""
    end = time.time() * 1000 if run.end_time is None else run.end_time
    return max(0, int(end - run.start_time) // 1000)


def duration(seconds: int) -> str:
    """Return a duration in its two largest units."""
    for unit, name, part, part_name in UNITS:
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // part:02d} {part_name}"
    return f"{seconds} s"


def _left(run: ListedRun) -> list[str]:
    """Return what of the run is not in its store, and why."""
    if run.shipped is None or (run.shipped.done and not run.shipped.error):
        return []
    count = run.shipped.entries_left
    entries = "1 entry" if count == 1 else f"{count} entries"
    left = [] if run.shipped.done else [f"{entries} not shipped"]
    return [": ".join([*left, *([run.shipped.error] if run.shipped.error else ())])]


def _error(run: ListedRun) -> str:
    """Return what ended a failed run."""
    text = run.tags.get("shackdoo.error", "").strip()
    return text.splitlines()[0] if text and run.status == "FAILED" else ""
