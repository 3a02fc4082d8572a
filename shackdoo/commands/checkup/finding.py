"""What a look at one subject has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# `missing` is not there and not needed for a training; `broken` is needed, and in its way.
State = Literal["ok", "missing", "attention", "broken"]

SHOWN_COMMIT = 12  # digits, for people


@dataclass(frozen=True)
class Finding:
    """One line of the result.

    Attributes:
        subject: what was looked at.
        state: how it is.
        fact: what was found, in words.
        way_out: what to do, if something is to be done.
        details: the same for programs; no secret is in it.
    """

    subject: str
    state: State
    fact: str
    way_out: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


def mebibytes(size: float) -> str:
    """Return a size for people: ``12 MiB``, ``3.4 GiB``."""
    mib = size / 1024**2
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"
