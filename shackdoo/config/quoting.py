"""Text as Hydra's grammar of overrides takes it: in quotes."""

from __future__ import annotations

import re


def quoted(text: str) -> str:
    """Return a text in quotes that Hydra reads back to the same.

    Backslashes count as escapes only in front of a quote, so only there they are doubled.
    """
    inside = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", inside) + "'"
