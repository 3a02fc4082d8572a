"""Where a key was set: the override, or the file and line. Looked up only when one is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shackdoo.config.project import Project

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """A file of the composition, and the key under which its content is merged."""

    path: Path
    package: tuple[str, ...]


@dataclass(frozen=True)
class Override:
    """A value set on the command line: its key, its value, and the text as typed."""

    key: tuple[str, ...]
    value: Any
    text: str


@dataclass(frozen=True)
class Kept:
    """Values of a recorded configuration that stand instead of the files', and its name."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """All that a composition was made of, in the order of merging."""

    project: Project
    sources: tuple[Source, ...]
    overrides: tuple[Override, ...]
    kept: Kept | None = None

    def place(self, loc: Loc) -> str:
        """Return who set the value at ``loc`` last, for the beginning of a message.

        Returns:
            ``the override 'seed=1'`` or ``conf/task/Mnist_B.yaml:7``; of the nearest key above
            it if nothing sets the key itself; at last the task's file.
        """
        for length in range(len(loc), 0, -1):
            part = loc[:length]
            if found := self._override(part) or self._recorded(part):
                return found
            if found := self._line(part) or self._whole_file(part):
                return found
        files = [source.path for source in self.sources]
        files.sort(key=lambda path: path.parent.name == "task")
        return show(files[-1], self.project) if files else "the configuration"

    def _override(self, loc: Loc) -> str | None:
        for override in reversed(self.overrides):
            depth = len(override.key)
            sets = override.key == loc[:depth] and _holds(override.value, loc[depth:])
            makes = override.text.startswith("+") and override.key[: len(loc)] == loc
            if sets or makes:
                return f"the override '{override.text}'"
        return None

    def _recorded(self, loc: Loc) -> str | None:
        return self.kept.name if self.kept and _holds(self.kept.values, loc) else None

    def _line(self, loc: Loc) -> str | None:
        for source in reversed(self.sources):
            depth = len(source.package)
            if source.package == loc[:depth] and len(loc) > depth:
                mark = _mark(load_node(source.path), loc[depth:])
                if mark:
                    return f"{show(source.path, self.project)}:{mark.line + 1}"
        return None

    def _whole_file(self, loc: Loc) -> str | None:
        files = [source.path for source in self.sources if loc and source.package == loc]
        return show(files[-1], self.project) if files else None


def show(path: Path, project: Project) -> str:
    """Return a file's name as the user knows it: relative to the project, else absolute."""
    inside = path.is_relative_to(project.root)
    return str(path.relative_to(project.root)) if inside else str(path)


def load_node(path: Path) -> yaml.Node | None:
    """Return the file's syntax tree, None if it is empty or unreadable."""
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def line_of(path: Path, key: str) -> int | None:
    """Return the line on which the file sets a key of its own top level, None if it doesn't."""
    mark = _mark(load_node(path), (key,))
    return mark.line + 1 if mark else None


def defaults_items(path: Path) -> Iterator[yaml.ScalarNode]:
    """Yield every name and value in the file's ``defaults`` list."""
    node = load_node(path)
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        if key.value == "defaults":
            yield from _scalars(value)


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (*_scalars(key), *_scalars(value))


def _holds(value: Any, rest: Sequence[str | int]) -> bool:
    for part in rest:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _mark(node: yaml.Node | None, loc: Loc) -> yaml.Mark | None:
    """Return where the last key of ``loc`` stands below ``node``, None if it doesn't."""
    mark = None
    for part in loc:
        child = _child(node, part)
        if child is None:
            return None
        mark, node = child
    return mark


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item: yaml.Node = node.value[part]
        return item.start_mark, item
    return None
