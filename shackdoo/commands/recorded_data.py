"""The data of a recorded run, had again: found by its digest, or fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shackdoo.catalog import Catalog
from shackdoo.config.project import Project
from shackdoo.config.schema import CatalogEntry
from shackdoo.errors import CatalogError, IngredientError
from shackdoo.provenance.worktree import inside, safe_target

SHOWN = 12  # digits of a digest, for people


def place_data(manifest: Mapping[str, Any], tree: Project, near: Iterable[Project]) -> list[str]:
    """See that the tree has the data that the run was made from; return where from, a line each.

    What is found elsewhere is linked into the tree, not copied.

    Args:
        manifest: of a training.
        tree: the project that was made again.
        near: projects on this machine that may have the data.

    Raises:
        IngredientError: if it can't be had.
    """
    entries = _entries(manifest)
    projects = list(near)
    return [
        f"{name}: {_place(name, entry, entries.get(name), tree, projects)}"
        for name, entry in manifest["data"].items()
    ]


def _entries(manifest: Mapping[str, Any]) -> Mapping[str, CatalogEntry]:
    adapter = TypeAdapter(dict[str, CatalogEntry])
    try:
        return adapter.validate_python(manifest["config"].get("catalog", {}))
    except ValidationError:  # a secret was taken out of it, or its format is older
        return {}


def _place(
    name: str,
    recorded: Mapping[str, Any],
    entry: CatalogEntry | None,
    tree: Project,
    near: Iterable[Project],
) -> str:
    wanted = recorded["sha256"]
    if entry is None:
        raise IngredientError(f"The record does not tell how the data '{name}' is read.")
    if _digest(name, entry, tree) == wanted:
        return "in the tree"
    for project in near:
        if _digest(name, entry, project) == wanted:
            _link(entry, project, tree)
            return f"that of {project.root}"
    path = Path(str(recorded.get("path")))
    if isinstance(entry.file, str) and path.is_file():
        own = entry.model_copy(update={"file": str(path)})
        if _digest(name, own, tree) == wanted:
            _link_one(entry.file, path, tree)
            return str(path)
    return _fetched(name, wanted, entry, tree)


def _digest(name: str, entry: CatalogEntry, project: Project) -> str | None:
    try:
        return Catalog({name: entry}, project).digest(name)
    except CatalogError:
        return None


def _link(entry: CatalogEntry, project: Project, tree: Project) -> None:
    files = [entry.file] if isinstance(entry.file, str) else entry.file.values()
    for file in files:
        _link_one(file, project.find(file), tree)


def _link_one(file: str, source: Path, tree: Project) -> None:
    if PurePosixPath(file).is_absolute():
        return
    target = safe_target(tree.root, inside(file), replacing=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(source.resolve())


def _fetched(name: str, wanted: str, entry: CatalogEntry, tree: Project) -> str:
    lost = f"The data '{name}' of the run (sha256 {wanted[:SHOWN]}…) can't be had"
    found = _digest(name, entry, tree)
    other = f": {entry.file} has another content now" if found else ": it is not on this machine"
    if entry.source is None:
        raise IngredientError(f"{lost}{other}, and its catalog entry names no source.")
    if found:
        raise IngredientError(f"{lost}{other}. Delete it to have it fetched from {entry.source}.")
    try:
        Catalog({name: entry}, tree).fetch(name)
    except CatalogError as error:
        raise IngredientError(f"{lost}{other}. {error}") from None
    if (now := _digest(name, entry, tree)) != wanted:
        raise IngredientError(
            f"{lost}: what {entry.source} gives now is another file, sha256 {str(now)[:SHOWN]}…."
        )
    return f"fetched from {entry.source}"
