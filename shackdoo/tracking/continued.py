"""A run that goes on: nothing that its journal has is recorded once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shackdoo.metric_names import SYSTEM, TIMINGS, is_of_epochs, same_number
from shackdoo.tracking.journal import Entry, read_entries
from shackdoo.tracking.tracker import Attachment, DataInput, Model, Points, RunTracker, Status

ENDS = ("start", "resume")  # kinds of entries that begin a stretch of work


@dataclass
class Recorded:
    """What the journal of a run holds.

    Attributes:
        metrics: (name, step) to the value.
        params: their names.
        tags: the last value of each.
        data: names of the data sets.
        model: whether there is one.
        resumes: how many times the run was resumed.
        seconds: wall time of all its stretches of work, from first entry to last.
    """

    metrics: dict[tuple[str, int], float] = field(default_factory=dict)
    params: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    data: set[str] = field(default_factory=set)
    model: bool = False
    resumes: int = 0
    seconds: float = 0.0

    def history(self) -> dict[str, list[float]]:
        """Return each metric of epochs: one value an epoch, as far as there are."""
        found: dict[str, list[float]] = {}
        for (name, step), value in sorted(self.metrics.items()):
            if is_of_epochs(name) and step == len(found.setdefault(name, [])) + 1:
                found[name].append(value)
        return {name: values for name, values in found.items() if values}

    def next_sample(self) -> int:
        """Return the step of the next sample of system metrics."""
        steps = [step for name, step in self.metrics if name.startswith(SYSTEM)]
        return max(steps, default=-1) + 1


def read_recorded(journal: Path) -> Recorded:
    """Return what a journal holds; entries that can't be read count for nothing."""
    found = Recorded()
    entries = [entry for entry, _ in read_entries(journal)]
    for entry in entries:
        _take(found, entry)
    found.seconds = sum(last - first for first, last in _stretches(entries)) / 1000
    return found


def _take(found: Recorded, entry: Entry) -> None:
    match entry:
        case {"kind": "metrics", "values": dict(values), "step": int(step)}:
            found.metrics |= {(name, step): float(value) for name, value in values.items()}
        case {"kind": "params", "values": dict(values)}:
            found.params |= set(values)
        case {"kind": "tags", "values": dict(values)}:
            found.tags |= values
        case {"kind": "datainput", "name": str(name)}:
            found.data.add(name)
        case {"kind": "model"}:
            found.model = True
        case {"kind": "resume"}:
            found.resumes += 1


def _stretches(entries: list[Entry]) -> Iterator[tuple[int, int]]:
    """Yield when each stretch of work began and when its last entry was, in milliseconds."""
    first = last = None
    for entry in entries:
        if "time" not in entry:
            continue
        if entry["kind"] in ENDS:
            if first is not None and last is not None:
                yield first, last
            first = entry["time"]
        last = entry.get("died") or entry["time"]
    if first is not None and last is not None:
        yield first, last


class Continued:
    """Records the rest of a run; see :class:`~shackdoo.tracking.tracker.Tracker`.

    Attributes:
        differing: metrics that came out otherwise than they are on record, timings apart:
            (name, step), value on record, value now.
    """

    def __init__(self, tracker: RunTracker, recorded: Recorded) -> None:
        """Hand what is new to ``tracker``; ``recorded`` is what was there before."""
        self._tracker = tracker
        self._recorded = recorded
        self.differing: list[tuple[tuple[str, int], float, float]] = []

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters that are not on record."""
        new = {name: value for name, value in values.items() if name not in self._recorded.params}
        if new:
            self._tracker.params(new)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics that are not on record; compare those that are."""
        if new := self._new(values, step):
            self._tracker.metrics(new, step)

    def metrics_at_steps(self, points: Points) -> None:
        """Record metrics at several steps, as far as they are not on record."""
        found = [(step, self._new(values, step)) for step, values in points]
        if new := [(step, values) for step, values in found if values]:
            self._tracker.metrics_at_steps(new)

    def _new(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """Return what is not on record; note what came out otherwise than it is on record."""
        known = self._recorded.metrics
        for name, value in values.items():
            before = known.get((name, step))
            if before is not None and name not in TIMINGS and not same_number(before, float(value)):
                self.differing.append(((name, step), before, float(value)))
        return {name: value for name, value in values.items() if (name, step) not in known}

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags."""
        self._tracker.tags(values)

    def attach(self, item: Attachment) -> None:
        """Record an attachment; data sets and a model are on record once."""
        if isinstance(item, DataInput) and item.name in self._recorded.data:
            return
        if isinstance(item, Model) and self._recorded.model:
            return
        self._tracker.attach(item)

    def end(self, status: Status) -> None:
        """Close the record."""
        self._tracker.end(status)
