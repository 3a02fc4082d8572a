"""A comparison of two runs as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.commands.run_comparison import Comparison
from shackdoo.metric_names import STEPS, same_number
from shackdoo.provenance.compare import is_inference
from shackdoo.provenance.outcome import Effect
from shackdoo.provenance.ranking import NONE, table

LINES = 80  # of a difference of code
ROWS = 40  # of the table of what differs
NAMES = 8  # of files
ARRAYS = 3
FIRST, SECOND = "A", "B"


def lines(comparison: Comparison, whole_code: bool) -> Iterator[str]:
    """Yield the comparison, line by line.

    Args:
        comparison: of two runs.
        whole_code: show the difference of the code to its end.
    """
    for letter, run in zip((FIRST, SECOND), comparison.runs, strict=True):
        yield f"{letter}  {_head(run)}"
    yield ""
    yield from _ingredients(comparison)
    yield from _code(comparison, whole_code)
    yield ""
    yield from _effect(comparison)


def counted_in(metric: str) -> str:
    """Return what the points of a metric's curve are counted in: step or epoch."""
    return "step" if metric.startswith(STEPS) else "epoch"


def _head(run: RecordedRun) -> str:
    started = datetime.fromtimestamp(run.run.start_time / 1000, UTC)
    return f"{run.run.uid[:8]}  {run.run.run_name}  {run.run.status}  {started:%Y-%m-%d %H:%M}"


def _ingredients(comparison: Comparison) -> Iterator[str]:
    rows = table(comparison.differences)
    if rows:
        yield "What differs, the likeliest cause first"
        yield from _columns([("", FIRST, SECOND), *rows[:ROWS]])
    else:
        yield "Of what the runs are made of nothing is known to differ"
    if len(rows) > ROWS:
        yield f"  … and {len(rows) - ROWS} more (--json)"
    yield from (f"  {note}" for note in comparison.notes)
    if comparison.unknown:
        yield f"  Not on record, so not compared: {', '.join(comparison.unknown)}"


def _code(comparison: Comparison, whole: bool) -> Iterator[str]:
    code = comparison.code
    modules = [each for each in comparison.differences if each.ingredient == "code"]
    shown = bool(modules) or whole
    if not shown and not code.files:
        return
    yield ""
    if code.files is None and not code.text:
        yield "Code: the two states can't be shown beside each other"
    elif shown:
        yield "Code"
    else:
        yield f"Code: {_other_files(code.files or ())}"
    yield from (f"  {note}" for note in code.notes)
    if shown:
        yield from _cut(code.text.splitlines(), whole)


def _other_files(files: Sequence[str]) -> str:
    some = ", ".join(files[:NAMES]) + (f" and {len(files) - NAMES} more" * (len(files) > NAMES))
    return (
        f"the runs are made of the same modules; of other files differ {some} (--full-code shows "
        f"them)"
    )


def _cut(text: Sequence[str], whole: bool) -> Iterator[str]:
    yield from text if whole else text[:LINES]
    if len(text) > LINES and not whole:
        yield f"… {len(text) - LINES} more lines (--full-code)"


def _effect(comparison: Comparison) -> Iterator[str]:
    effect = comparison.effect
    if not comparison.has_results:
        yield "Results: nothing that both runs have computed is on record"
        return
    yield _verdict(comparison)
    first, second = (run.outcome for run in comparison.runs)
    yield from _bits(effect, len({*first.arrays, *second.arrays}))
    yield from _curves(comparison)
    yield from _metrics(effect)
    if comparison.results_differ and not comparison.differences:
        yield f"  {_unexplained(comparison)}"


def _verdict(comparison: Comparison) -> str:
    if comparison.results_differ:
        return "Results"
    return f"Results: {'the same as far as both have them' if comparison.unknown else 'identical'}"


def _unexplained(comparison: Comparison) -> str:
    task = comparison.runs[0].run.task
    return (
        f"Nothing on record explains this; `shackdoo doctor --determinism task={task}` tests "
        f"whether the task comes to the same bits twice."
    )


def _bits(effect: Effect, arrays: int) -> Iterator[str]:
    if effect.same_weights is not None:
        names = ", ".join(effect.arrays[:ARRAYS]) + ", …" * (len(effect.arrays) > ARRAYS)
        differing = f"{len(effect.arrays)} of {arrays} arrays differ: {names}"
        yield f"  weights      {'the same bits' if effect.same_weights else differing}"
    if effect.same_predictions is not None:
        yield f"  predictions  {'the same bits' if effect.same_predictions else 'differ'}"


def _curves(comparison: Comparison) -> Iterator[str]:
    """Say where the curves part; an inference has none."""
    effect, parting = comparison.effect, comparison.effect.parting
    if not effect.compared or is_inference(comparison.runs[0].manifest):
        return
    if parting is None:
        yield f"  curves       equal in all {effect.compared} points that both have"
        return
    unit = counted_in(parting.name)
    finer = "" if unit == "step" else "; tracking.every_steps=1 would tell the step"
    yield (
        f"  curves       part at {unit} {parting.step}: {parting.name} {parting.first!r} and "
        f"{parting.second!r}{finer}"
    )


def _metrics(effect: Effect) -> Iterator[str]:
    rows = [
        (name, _exact(one), _exact(other), _change(one, other))
        for name, (one, other) in sorted(effect.metrics.items())
    ]
    if rows:
        yield from _columns([("", FIRST, SECOND, f"{SECOND} - {FIRST}"), *rows])


def _exact(value: float | None) -> str:
    return NONE if value is None else repr(value)


def _change(one: float | None, other: float | None) -> str:
    if same_number(one, other):
        return "equal"
    return NONE if one is None or other is None else f"{other - one:+.3g}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
