"""Text of somebody else's record, as it may be shown."""

from __future__ import annotations


def printable(line: str) -> str:
    """Return a line without what a terminal takes as a command: it could hide other lines."""
    shown = (each if each.isprintable() or each == "\t" else "\ufffd" for each in line)
    return "".join(shown)
