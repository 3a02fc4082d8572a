"""The data of a recorded run, had again: found by its digest, or fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shackdoo.catalog import Catalog
from shackdoo.config.project import Project
from shackdoo.config.schema import CatalogEntry
from shackdoo.errors import CatalogError, IngredientError
from shackdoo.provenance.names import is_inside, safe_target

SHOWN = 12  # digits of a digest, for people


@dataclass
class Placed:
    """Where the data come from, a line each, and the files that the tree has links to."""

    lines: list[str] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)


def place_data(
    manifest: Mapping[str, Any], tree: Project, near: Iterable[Project], fetching: bool = True
) -> Placed:
    """See that the tree has the data that the run was made from.

    What is found elsewhere is linked into the tree, not copied.

    Args:
        manifest: of a training.
        tree: the project that was made again.
        near: projects on this machine that may have the data.
        fetching: what is not on this machine is fetched.

    Raises:
        IngredientError: if it can't be had.
    """
    entries, placing = _entries(manifest), _Placing(tree, list(near), fetching)
    for name, entry in manifest["data"].items():
        if name not in entries:
            raise IngredientError(f"The record does not tell how the data '{name}' is read.")
        where = placing.place(name, entry, entries[name])
        placing.placed.lines.append(f"{name}: {where}")
    return placing.placed


def _entries(manifest: Mapping[str, Any]) -> Mapping[str, CatalogEntry]:
    adapter = TypeAdapter(dict[str, CatalogEntry])
    try:
        return adapter.validate_python(manifest["config"].get("catalog", {}))
    except ValidationError:  # a secret was taken out of it, or its format is older
        return {}


class _Placing:
    def __init__(self, tree: Project, near: list[Project], fetching: bool) -> None:
        self.tree, self.near, self.fetching = tree, near, fetching
        self.placed = Placed()

    def place(self, name: str, recorded: Mapping[str, Any], entry: CatalogEntry) -> str:
        """Have one data set in the tree; return where it comes from."""
        wanted = recorded["sha256"]
        if _digest(name, entry, self.tree) == wanted:
            return "in the tree"
        for project in self.near:
            if _digest(name, entry, project) == wanted:
                for file in _files(entry):
                    self._link(name, file, project.find(file))
                return f"that of {project.root}"
        path = Path(str(recorded.get("path")))
        if isinstance(entry.file, str) and path.is_file():
            own = entry.model_copy(update={"file": str(path)})
            if _digest(name, own, self.tree) == wanted:
                self._link(name, entry.file, path)
                return str(path)
        return self._fetched(name, wanted, entry)

    def _link(self, name: str, file: str, source: Path) -> None:
        target = self._target(name, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(source.resolve())
        self.placed.links.append(source.resolve())

    def _target(self, name: str, file: str) -> Path:
        """Return where a file of the tree lies."""
        if not is_inside(file):
            raise IngredientError(
                f"The data '{name}' of the run can't be put where it was: {file} is no file inside "
                f"the project."
            )
        return safe_target(self.tree.root, PurePosixPath(file), replacing=True)

    def _fetched(self, name: str, wanted: str, entry: CatalogEntry) -> str:
        lost = f"The data '{name}' of the run (sha256 {wanted[:SHOWN]}…) can't be had"
        found = _digest(name, entry, self.tree)
        other = (
            f": {entry.file} has another content now" if found else ": it is not on this machine"
        )
        if entry.source is None:
            raise IngredientError(f"{lost}{other}, and its catalog entry names no source.")
        if found:
            raise IngredientError(
                f"{lost}{other}. Delete it to have it fetched from {entry.source}."
            )
        if not self.fetching:
            raise IngredientError(f"{lost}{other}; it would be fetched from {entry.source}.")
        for file in _files(entry):
            self._target(name, file)  # nothing is written elsewhere
        try:
            Catalog({name: entry}, self.tree).fetch(name)
        except CatalogError as error:
            raise IngredientError(f"{lost}{other}. {error}") from None
        if (now := _digest(name, entry, self.tree)) != wanted:
            raise IngredientError(
                f"{lost}: what {entry.source} gives now is another file, sha256 "
                f"{str(now)[:SHOWN]}…."
            )
        return f"fetched from {entry.source}"


def _files(entry: CatalogEntry) -> list[str]:
    return [entry.file] if isinstance(entry.file, str) else list(entry.file.values())


def _digest(name: str, entry: CatalogEntry, project: Project) -> str | None:
    try:
        return Catalog({name: entry}, project).digest(name)
    except CatalogError:
        return None
