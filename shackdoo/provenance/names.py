"""Names of files in a record: relative, and nothing that could lead out of their folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from shackdoo.errors import RequestError

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


def inside(name: str) -> PurePosixPath:
    """Return a recorded name of a file as a path that stays inside the tree.

    Raises:
        RequestError: if it does not.
    """
    if not is_inside(name):
        raise RequestError(f"The record names the file {name[:200]!r}, which is none in a tree.")
    return PurePosixPath(name)


def safe_target(top: Path, name: PurePosixPath, replacing: bool = False) -> Path:
    """Return the path of a file in the tree that is about to be written.

    Args:
        top: the tree.
        name: of the file.
        replacing: a link of that name is taken away before.

    Raises:
        RequestError: if a link in the tree leads it elsewhere.
    """
    target = top / name
    link = target.is_symlink() and not replacing
    if link or target.parent.resolve() != top.resolve() / name.parent:
        raise RequestError(f"The file {name} would be written through a link of the tree.")
    return target


def plain(name: str) -> str:
    """Return a name that :func:`is_inside`, the same if it is one already."""
    if is_inside(name):
        return name
    letters = ["_" if _is_control(letter) or letter in "/\\" else letter for letter in name]
    return ("_" + "".join(letters))[:LONGEST]


def _is_control(letter: str) -> bool:
    return ord(letter) < 32 or ord(letter) == 127
