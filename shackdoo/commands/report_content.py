"""What the report of a run is drawn from, put together at the run's end."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shackdoo.report.content import VERSION, Content, json_ready
from shackdoo.task import Task

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.provenance.secrets import Redactor

LEFT_OUT = ("cpu_flags",)  # of the machine: long, and in the manifest
PICTURES = ("picture", "pictures")  # names under which parts have them


def run_facts(
    checked: Checked,
    redactor: Redactor,
    *,
    uid: str,
    name: str,
    started: int,
    ended: int,
    status: str,
    error: str | None,
) -> dict[str, Any]:
    """Return what a run was: names, task, status and times; without secrets."""
    config, task = checked.composed.config, type(checked.task)
    return {
        "uid": uid,
        "name": name,
        "kind": "",
        "experiment": redactor.text(config.experiment),
        "tag": redactor.text(config.tag),
        "tags": redactor.value(checked.composed.values)["tags"],
        "task": config.task.name,
        "doc": redactor.text(inspect.cleandoc(task.__doc__ or "").split("\n\n")[0]),
        "lineage": [parent.__name__ for parent in task.lineage()],
        "hooks": own_hooks(task),
        "status": status,
        "error": error,
        "started": started,
        "ended": ended,
    }


def own_hooks(task: type[Task]) -> list[str]:
    """Return the names of what a class itself defines, in the order of its source."""
    return [name for name, value in vars(task).items() if _is_code(name, value)]


def _is_code(name: str, value: object) -> bool:
    code = inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, property)
    return code and not name.startswith("__")


def without_secrets(part: Any, redactor: Redactor) -> Any:
    """Return a part of a report without secrets; pictures, which are no text, stay as they are."""
    if isinstance(part, Mapping):
        return {
            name: value if name in PICTURES else without_secrets(value, redactor)
            for name, value in part.items()
        }
    if isinstance(part, list | tuple):
        return [without_secrets(each, redactor) for each in part]
    return redactor.text(part) if isinstance(part, str) else part


def report_content(
    run: Mapping[str, Any],
    *,
    language: str,
    best: Mapping[str, str],
    history: Mapping[str, Sequence[float]],
    metrics: Mapping[str, float],
    parts: Sequence[Mapping[str, Any]],
    parent: Mapping[str, Any] | None,
    manifest: Mapping[str, Any],
    within: Mapping[str, Any] | None = None,
) -> Content:
    """Return the content of a run's report, JSON-ready; see :mod:`shackdoo.report.content`."""
    machine = {k: v for k, v in manifest.get("machine", {}).items() if k not in LEFT_OUT}
    return {
        "schema_version": VERSION,
        "run": dict(run),
        "language": language,
        "best": dict(best),
        "history": json_ready({name: list(values) for name, values in history.items()}),
        "within": within,
        "metrics": json_ready(metrics),
        "parts": list(parts),
        "parent": parent,
        "manifest": {**manifest, **({"machine": machine} if machine else {})},
    }
