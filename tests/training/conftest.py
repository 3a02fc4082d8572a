"""Shared parts of the training tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


class Notes:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.epochs: list[dict[str, float]] = []
        self.steps: list[int] = []
        self.reports: list[tuple[int, dict[str, float]]] = []

    def epoch_started(self, epoch: int, steps: int) -> None: ...

    def advanced(self, step: int, logs: dict[str, float]) -> None:
        self.steps.append(step)

    def reported(self, reports: Sequence[tuple[int, dict[str, float]]]) -> None:
        self.reports += reports

    def epoch_ended(self, epoch: int, logs: dict[str, float]) -> None:
        self.epochs.append(logs)

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def make_notes() -> type[Notes]:
    return Notes
