"""The source of a task's class: what of it stands in no installed shackdoo."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

from shackdoo.provenance.interactive import extract

OWN = "shackdoo"
MAIN = "__main__"


def class_sources(task_class: type) -> dict[str, str]:
    """Return the source of a class and its parents, by the names of their modules.

    Of a module file it is the whole file. Of ``__main__`` and of a notebook it is the classes,
    and what they use from there: imports, functions, constants. Shackdoo's own modules and those
    of the standard library are left out, and so is what has no source.
    """
    sources: dict[str, str] = {}
    for name in _modules(task_class):
        if name == MAIN:
            sources[name] = extract(sys.modules[name], _defined_in(task_class, name)).text
        elif (file := module_file(name)) is not None:
            sources[name] = file.read_text(encoding="utf-8")
    return sources


def source_digests(sources: Mapping[str, str]) -> dict[str, str]:
    """Return the sha256 of each of :func:`class_sources`."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sources.items()}


def unfiled(sources: Mapping[str, str]) -> dict[str, str]:
    """Return those of :func:`class_sources` that stand in no file to be imported."""
    return {name: text for name, text in sources.items() if name == MAIN}


def missing_names(task_class: type) -> tuple[str, ...]:
    """Return what :func:`class_sources` could not find of what the class uses, sorted."""
    names = _modules(task_class)
    lost = [name for name in names if name != MAIN and module_file(name) is None]
    if MAIN in names:
        lost += extract(sys.modules[MAIN], _defined_in(task_class, MAIN)).missing
    return tuple(sorted(lost))


def module_file(name: str) -> Path | None:
    """Return the source file of an imported module, None if it has none."""
    file = getattr(sys.modules.get(name), "__file__", None)
    path = None if file is None else Path(file)
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _modules(task_class: type) -> list[str]:
    names = dict.fromkeys(parent.__module__ for parent in task_class.__mro__)
    return [name for name in names if name == MAIN or not _is_elsewhere(name)]


def _is_elsewhere(module: str) -> bool:
    top = module.partition(".")[0]
    return top == OWN or top in sys.stdlib_module_names


def _defined_in(task_class: type, module: str) -> list[str]:
    return [each.__qualname__ for each in task_class.__mro__ if each.__module__ == module]
