"""The head of a file that secrets were taken out of: written as it is shipped, and read again."""

from __future__ import annotations

from collections.abc import Iterable

FIRST = "# Secrets were taken out of this file, so it can't be applied as it is:"
BEGINNING = b"# Secrets were taken out"


def redacted_head(places: Iterable[str]) -> str:
    """Return the head, a line for each place: ``file:line  kind``."""
    return "\n".join([FIRST, *(f"# {place}" for place in places), ""])


def redacted_places(content: bytes) -> list[str] | None:
    """Return the places that the head of a file lists; None if nothing was taken out of it."""
    if not content.startswith(BEGINNING):
        return None
    places = []
    for line in content.decode("utf-8", "replace").splitlines()[1:]:
        if not line.startswith("# "):
            break
        places.append(line.removeprefix("# "))
    return places
