"""A tracker in memory: the double of the journal, and what ``tracking=off`` writes to."""

from __future__ import annotations

from collections.abc import Mapping

from shackdoo.tracking.tracker import Attachment, Points, Status


class MemoryTracker:
    """Keeps what it is told in plain attributes."""

    def __init__(self) -> None:
        self.recorded_params: dict[str, object] = {}
        self.recorded_metrics: list[tuple[str, float, int]] = []
        self.recorded_tags: dict[str, str] = {}
        self.attachments: list[Attachment] = []
        self.status: Status | None = None

    def params(self, values: Mapping[str, object]) -> None:
        """Keep parameters."""
        self._check_open()
        self.recorded_params |= values

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep metrics."""
        self._check_open()
        self.recorded_metrics += [(name, float(value), step) for name, value in values.items()]

    def metrics_at_steps(self, points: Points) -> None:
        """Keep metrics at several steps."""
        for step, values in points:
            self.metrics(values, step)

    def tags(self, values: Mapping[str, str]) -> None:
        """Keep tags."""
        self._check_open()
        self.recorded_tags |= values

    def attach(self, item: Attachment) -> None:
        """Keep the attachment; its files must be there."""
        self._check_open()
        self.attachments.append(item)

    def end(self, status: Status) -> None:
        """Keep the status."""
        self._check_open()
        self.status = status

    def _check_open(self) -> None:
        if self.status is not None:
            raise ValueError(f"The run has ended ({self.status}); nothing can be recorded.")
