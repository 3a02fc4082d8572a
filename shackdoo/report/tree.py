"""A tree as lines of text that fit the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = "  "
LEAST_ROOM = 20  # columns for text, however narrow the terminal is
CONTINUED = "  "  # in front of what did not fit on a node's first line


@dataclass(frozen=True)
class Node:
    """A place in a tree.

    Attributes:
        lines: what is said there: parts, which are never torn apart, of one line or more.
        children: what is below it.
    """

    lines: Sequence[Sequence[str]]
    children: Sequence[Node] = ()


def draw(nodes: Sequence[Node], width: int | None) -> list[str]:
    """Return the lines of the trees.

    Args:
        nodes: their roots.
        width: columns of the terminal; a part that is wider stands alone. None: as many as needed.
    """
    return [line for node in nodes for line in _drawn(node, "", "", width)]


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: a Japanese character takes two."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _drawn(node: Node, first: str, rest: str, width: int | None) -> Iterator[str]:
    below = rest + ("│ " if node.children else "  ")
    room = None if width is None else max(LEAST_ROOM, width - columns(below) - len(CONTINUED))
    texts = [text for line in node.lines for text in _wrapped(line, room)]
    for number, text in enumerate(texts):
        yield f"{below}{CONTINUED}{text}" if number else f"{first}{text}"
    for left, child in enumerate(node.children, 1 - len(node.children)):
        branch, beside = ("├─ ", "│  ") if left else ("└─ ", "   ")
        yield from _drawn(child, rest + branch, rest + beside, width)


def _wrapped(parts: Sequence[str], room: int | None) -> Iterator[str]:
    line = ""
    for part in map(_plain, parts):
        longer = f"{line}{GAP}{part}" if line else part
        if line and room is not None and columns(longer) > room:
            yield line
            longer = part
        line = longer
    if line:
        yield line


def _plain(text: str) -> str:
    """Return a text without what could move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else "?" for character in text)
