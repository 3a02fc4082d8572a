"""A run in a few lines of Markdown: its description in the tracking store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from shackdoo.report.content import Content, main_metrics
from shackdoo.report.numbers import duration, finite, number
from shackdoo.report.texts import Language, texts

METRICS, CHANGES = 3, 8  # told at most
DIGEST = 12  # digits of a data set's digest


def summary(content: Content, language: Language, page: bool) -> str:
    """Return what a run was and what came of it, as Markdown.

    Args:
        content: of its report.
        language: of the text.
        page: whether the run has a page, to be named.
    """
    words = texts(language)
    t, run = words["summary"], content["run"]
    status = words["status"][run["status"]]
    lines = [
        _line(t["task"], f"{_plain(run['task'])} ({' < '.join(map(_plain, run['lineage']))})"),
        _line(t["result"], f"{status}; {_result(content) or t['no_result']}"),
        *_differs(content, t),
        _line(t["data"], _data(content["manifest"])),
        _line(t["took"], duration((run["ended"] - run["started"]) / 1000, words)),
    ]
    return "\n".join([*lines, *(("", t["report"]) if page else ())])


def _line(name: str, text: str) -> str:
    return f"- **{name}**: {text}"


def _result(content: Content) -> str:
    metrics = content["metrics"]
    names = main_metrics(content)[:METRICS]
    return ", ".join(f"{_plain(name)} {number(finite(metrics[name]))}" for name in names)


def _differs(content: Content, t: Mapping[str, Any]) -> list[str]:
    parent = content["parent"]
    if parent is None or parent["parent"] is None or not parent["changes"]:
        return []
    changes = parent["changes"]
    told = [f"{_plain(c['key'])} {_value(c['old'])} → {_value(c['new'])}" for c in changes]
    if len(told) > CHANGES:
        told[CHANGES:] = [t["more"].format(count=len(changes) - CHANGES)]
    return [_line(t["differs"].format(parent=_plain(parent["parent"])), ", ".join(told))]


def _value(values: list[Any]) -> str:
    if not values:
        return "-"
    return _plain(values[0] if isinstance(values[0], str) else json.dumps(values[0]))


def _data(manifest: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{_plain(name)} (sha256 {_plain(entry['sha256'] or '-')[:DIGEST]})"
        for name, entry in manifest["data"].items()
    )


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#|~!&])", r"\\\1", " ".join(text.split()))
