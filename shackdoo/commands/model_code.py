"""The code that a model is logged with, kept when its run begins: it may change while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shackdoo.catalog import Catalog
from shackdoo.config.schema import Config
from shackdoo.provenance.code import Collected, as_zip

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.provenance.secrets import Redactor

ZIP, TASK_FILE = "model_code.zip", "task.json"
SERVING = ("pydantic", "pillow")  # what serving needs, beside the bare model's requirements
OWN = "shackdoo/"


@dataclass(frozen=True)
class ModelCode:
    """A zip of code, and the packages that it needs, as ``name==version``."""

    path: Path
    requirements: tuple[str, ...]


def keep_code(
    checked: Checked,
    collected: Collected,
    redactor: Redactor,
    keep: Callable[[str, bytes], Path | None],
    notice: Callable[[str], None],
) -> ModelCode | None:
    """Keep the code of the task; None if nothing is recorded, or it can't be made again.

    Args:
        checked: the request.
        collected: the code of its task.
        redactor: hides its secrets, in the task's own files too.
        keep: writes a file of the run.
        notice: shows a line.
    """
    code, values = collected.code, redactor.value(checked.composed.values)
    trouble = _trouble(checked, collected, values)
    if trouble or code is None:
        notice(f"the model will be logged without its task, as the bare Keras model: {trouble}")
        return None
    files = {path: _redacted(path, content, redactor) for path, content in code.files.items()}
    name = type(checked.task).__qualname__
    description = {"module": code.module, "class": name, "config": values}
    files[TASK_FILE] = json.dumps(description, indent=1, ensure_ascii=False).encode()
    path = keep(ZIP, as_zip(files))
    return None if path is None else ModelCode(path, (*map(_pin, SERVING), *_pins(code.imports)))


def _trouble(checked: Checked, collected: Collected, values: Mapping[str, Any]) -> str | None:
    """Return why the task could not be made again from what is recorded."""
    if collected.missing:
        missing = ", ".join(collected.missing)
        return f"the source of its class uses what has no source: {missing}"
    if values == checked.composed.values:
        return None
    try:
        type(checked.task)(
            config := Config.model_validate(values), Catalog(config.catalog, checked.project)
        )
    except ValidationError:
        return "without its secrets the configuration is none"
    return None


def _redacted(path: str, content: bytes, redactor: Redactor) -> bytes:
    if path.startswith(OWN):
        return content
    return redactor.known(content.decode()).encode()


def _pins(modules: frozenset[str]) -> list[str]:
    """Return the installed packages that have these modules."""
    known = {name: name for name in modules if _is_installed(name)}
    if others := modules - set(known):
        by_module = packages_distributions()  # reads much
        known |= {name: by_module[name][0] for name in others if name in by_module}
    return sorted(_pin(name) for name in known.values())


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _pin(name: str) -> str:
    return f"{name}=={version(name)}"
