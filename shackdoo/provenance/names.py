"""Names of files in a record: relative, and nothing that could lead out of their folder."""

from __future__ import annotations

LONGEST = 4096  # characters, as paths are on Linux
ODD = "it has a name that can't be put back safely"


def is_inside(name: str) -> bool:
    """Return whether a name is that of a file inside a tree, and none of git's own."""
    parts = name.split("/")
    return (
        0 < len(name) <= LONGEST
        and not name.startswith("-")
        and "\\" not in name
        and not any(_is_control(letter) for letter in name)
        and not any(
            part in ("", ".", "..") or part.lower().rstrip(". ") == ".git" for part in parts
        )
    )


def plain(name: str) -> str:
    """Return a name that :func:`is_inside`, the same if it is one already."""
    if is_inside(name):
        return name
    letters = ["_" if _is_control(letter) or letter in "/\\" else letter for letter in name]
    return ("_" + "".join(letters))[:LONGEST]


def _is_control(letter: str) -> bool:
    return ord(letter) < 32 or ord(letter) == 127
