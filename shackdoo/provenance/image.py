"""The image that a run is computed in, as the Dockerfile left word of it; nothing outside one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shackdoo.provenance import git

CONTAINER = "SHACKDOO_CONTAINER"  # set in every container of the image
PROJECT = "SHACKDOO_PROJECT"  # the tree, in a container that runs a tree of the host
COMMIT, DIRTY = "SHACKDOO_IMAGE_COMMIT", "SHACKDOO_IMAGE_DIRTY"
INSIDE = Path("/mlflow")
CODE = INSIDE / "projects" / "code"
RECIPE, REQUIREMENTS = INSIDE / "recipe", INSIDE / "requirements"


def in_container() -> bool:
    """Return whether this process runs in a container of the image."""
    return CONTAINER in os.environ


def code_state(root: Path) -> dict[str, Any]:
    """Return what :func:`git.describe` does; of the code that the image holds, what it says of it.

    That has no repository, but the commit it was built from.
    """
    return told_by_image(root, git.describe(root))


def told_by_image(root: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return git's state of a tree, with the image's word of it where git has none."""
    found = dict(state)
    if found["commit"] is None and holds(root):
        found["commit"] = os.environ.get(COMMIT) or None
        found["dirty"] = os.environ.get(DIRTY) == "true" if found["commit"] else None
    return found


def holds(root: Path) -> bool:
    """Return whether the code of a tree is the image's own, no tree of the host's over it."""
    return in_container() and root.resolve() == CODE and not CODE.is_mount()


def is_lost(path: Path) -> bool:
    """Return whether a file would go with the container of a run: it lies on nothing mounted."""
    if PROJECT not in os.environ:
        return False
    root = Path(path.anchor)
    folders = (folder for folder in path.resolve().parents if folder != root)
    return not any(folder.is_mount() for folder in folders)


def recipe(root: Path, requirements: str) -> str | None:
    """Return a digest of the files that the environment of an image is made of.

    The same as ``sha256sum FILE… | cut -c 1-64 | sha256sum`` of them.

    Args:
        root: the tree they are in.
        requirements: name of the lock file.

    Returns:
        64 hexadecimal digits; None if one of the files is not there.
    """
    files = (root / "Dockerfile", root / requirements, root / "docker" / "entrypoint.sh")
    if not all(file.is_file() for file in files):
        return None
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_stale(root: Path) -> bool:
    """Return whether this container's image was made by another recipe than the tree's own.

    A tree without a Dockerfile has none, and takes any image.
    """
    if not (in_container() and RECIPE.is_file()):
        return False
    wanted = recipe(root, REQUIREMENTS.read_text().strip())
    return wanted is not None and wanted != RECIPE.read_text().strip()
