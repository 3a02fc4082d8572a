"""Numbers, times and durations as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DIGITS = 4
LARGE, SMALL = 1e5, 1e-3  # beyond, numbers are written with an exponent
MINUTE, HOUR = 60, 3600


def number(value: Any) -> str:
    """Return a number with about four digits; whatever is none, as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    if SMALL <= abs(value) < LARGE:
        return f"{value:.{DIGITS}f}" if abs(value) < 10 else f"{value:,.2f}"
    return f"{value:.3g}"


def share(part: float, whole: float) -> str:
    """Return a part of a whole in per cent; a part that is not all of it is never 100 %."""
    per_cent = 100 * part / whole if whole else 0.0
    text = f"{per_cent:.2f}"
    return f"{'99.99' if text == '100.00' and part < whole else text} %"


def duration(seconds: float, words: Mapping[str, Any]) -> str:
    """Return seconds as a language says them: ``8.2 s``, ``3 min 5 s``, ``2 h 7 min``."""
    t, whole = words["duration"], round(seconds)
    if seconds < MINUTE:
        return str(t["seconds"].format(seconds=f"{seconds:.1f}"))
    if whole < HOUR:
        return str(t["minutes"].format(minutes=whole // MINUTE, seconds=whole % MINUTE))
    return str(t["hours"].format(hours=whole // HOUR, minutes=whole % HOUR // MINUTE))


def moment(milliseconds: int) -> str:
    """Return a moment as date and time of UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def finite(value: Any) -> float:
    """Return a number as it came from JSON, where ``nan`` and ``inf`` are texts."""
    return float(value)
