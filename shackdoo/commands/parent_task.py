"""How the settings of a run differ from those of its parent task.

Composing the parent's configuration takes a tenth of a second, which the training has better
uses for: it leaves a question in the run's folder, and the shipper, a process of its own, answers
it at once.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shackdoo.config.project import Project
from shackdoo.config.record import flatten

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.provenance.secrets import Redactor

QUESTION, ANSWER = "parent_question.json", "parent_task.json"
# Where a run's name, record and pictures are set, and what tells only which task it is.
NOT_COMPARED = ("tag", "tags", "tracking", "report", "flows", "task.name", "task._target_")


def question(checked: Checked, redactor: Redactor) -> dict[str, Any]:
    """Return what has to be known for the comparison, JSON-ready and without secrets."""
    project, composed = checked.project, checked.composed
    parents = [parent.__name__ for parent in type(checked.task).lineage()[1:-1]]
    known = [name for name in parents if project.find(f"conf/task/{name}.yaml").is_file()]
    parent = known[0] if known else None
    return {
        "root": str(project.root),
        "bundle": str(project.bundle),
        "parent": parent,
        "skipped": parents[: parents.index(parent)] if parent else parents,
        "typed": [key for each in composed.overrides if (key := _key(each)) != "task"],
        "values": redactor.value(composed.values),
    }


def _key(override: str) -> str:
    """Return the key of an override: ``a.b`` of ``+a.b=1`` and of ``~a.b``, with dots only."""
    return re.split(r"[=@]", override.lstrip("+~"), maxsplit=1)[0].replace("/", ".")


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparison.

    Returns:
        ``parent`` (a name, or null if there is none with a YAML), ``skipped`` (nearer parents
        without one), ``changes`` (``key``, ``old``, ``new``, ``typed``; a value is a list of one,
        empty where there is no such key), ``error`` (why there are none, or null).
    """
    answered = {
        "parent": asked["parent"],
        "skipped": asked["skipped"],
        "changes": [],
        "error": None,
    }
    if asked["parent"] is None:
        return answered
    try:
        old = _composed(asked["parent"], Project(Path(asked["root"]), Path(asked["bundle"])))
    except Exception as error:  # a report must not fail because of another task's file
        return answered | {"error": str(error)}
    return answered | {"changes": _changes(old, asked["values"], asked["typed"])}


def _composed(task: str, project: Project) -> dict[str, Any]:
    from shackdoo.config.compose import compose
    from shackdoo.provenance.secrets import Redactor

    composed = compose("train", [f"task={task}"], project)
    redactor = Redactor.of(composed.values, composed.interpolated, os.environ)
    values: dict[str, Any] = redactor.value(composed.values)
    return values


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], typed: list[str]
) -> list[dict[str, Any]]:
    before, after = flatten(old), flatten(new)
    keys = [key for key in dict.fromkeys((*before, *after)) if not _within(key, NOT_COMPARED)]
    pairs = {key: _pair(key, before, after) for key in keys}
    return [
        {"key": key, "old": was, "new": now, "typed": _within(key, typed)}
        for key, (was, now) in pairs.items()
        if was != now
    ]


def _pair(key: str, *sides: Mapping[str, Any]) -> tuple[list[Any], ...]:
    return tuple([side[key]] if key in side else [] for side in sides)


def _within(key: str, parts: tuple[str, ...] | list[str]) -> bool:
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def compare_with_parent(files: Path) -> None:
    """Answer the question that lies in ``files``, if there is one, and leave the answer there."""
    try:
        asked = json.loads((files / QUESTION).read_text(encoding="utf-8"))
    except OSError:
        return
    part = files / f".{ANSWER}.{os.getpid()}.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(answer(asked)), encoding="utf-8")
    part.replace(files / ANSWER)


def read_answer(files: Path | None) -> dict[str, Any] | None:
    """Return the answer that lies in ``files``, None if there is none yet."""
    try:
        text = (files / ANSWER).read_text(encoding="utf-8") if files is not None else "null"
    except OSError:
        return None
    answered: dict[str, Any] | None = json.loads(text)
    return answered
