"""Pieces of Markdown for descriptions in the tracking store."""

from __future__ import annotations

import re


def line(name: str, text: str) -> str:
    """Return an item of a list that begins with its name."""
    return f"- **{name}**: {text}"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#|~!&])", r"\\\1", " ".join(text.split()))
