"""A copy of what a run is made of, where no commit tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from shackdoo.provenance.code import PACKAGE, as_zip
from shackdoo.provenance.names import is_inside
from shackdoo.provenance.source import OWN

ZIP = "code.zip"  # what it is called in a run's record
OF_PROJECT = (
    *("MLproject", "pyproject.toml", "conda.yaml", "*.lock", "conf/**/*.yaml"),
    *("local/MLproject", "local/*.lock"),
)
NOT_OF_RUN = ("conf/local/",)  # a user's own settings, as git ignores them


def snapshot(root: Path, files: Mapping[str, bytes]) -> bytes:
    """Return a zip of a project; the same files give the same bytes.

    Args:
        root: the project.
        files: of its task, path to content. Shackdoo's own are left out where it is installed:
            they come with the package.
    """
    checkout = PACKAGE.parent == root.resolve()
    own = f"{OWN}/"
    kept = {
        path: content
        for path, content in files.items()
        if path.endswith(".py") and not path.startswith(own)
    }
    paths = [path for pattern in OF_PROJECT for path in root.glob(pattern)]
    if checkout:
        paths += _package()
    for path in paths:
        name = path.relative_to(root).as_posix()
        if path.is_file() and is_inside(name) and not name.startswith(NOT_OF_RUN):
            kept[name] = path.read_bytes()
    return as_zip(kept)


def _package() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts)
