"""What the page that compares runs shows: what differs, results side by side, curves overlaid."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from shackdoo.config.record import flatten
from shackdoo.report.charts import Series, line_chart
from shackdoo.report.content import Content, is_result, main_metrics, smaller_is_better
from shackdoo.report.numbers import duration, finite, moment, number

Words = Mapping[str, Any]
View = dict[str, Any]
NAMES = ("tracking.", "report.", "config.tag", "tag")  # of settings that change no result
MACHINE = ("hostname", "cpu", "cores", "memory", "system", "gpus")


def comparison_view(contents: Sequence[Content], words: Words) -> View:
    """Return the runs, their results, what differs between them, and their curves."""
    return {
        "runs": [_run(place, content, words) for place, content in enumerate(contents)],
        "results": _results(contents),
        "groups": _groups(contents, words),
        "charts": _charts(contents, words),
    }


def letter(place: int) -> str:
    """Return the mark of a run: A to Z, then A2 and so on."""
    turn, place = divmod(place, 26)
    return chr(ord("A") + place) + (str(turn + 1) if turn else "")


def _run(place: int, content: Content, words: Words) -> View:
    run = content["run"]
    ended = run["ended"]
    return {
        "letter": letter(place),
        "look": place,
        "name": run["name"],
        "uid": run["uid"],
        "task": run["task"],
        "status": run["status"],
        "started": moment(run["started"]),
        "took": duration((ended - run["started"]) / 1000, words)
        if ended
        else words["compare"]["absent"],
    }


def _results(contents: Sequence[Content]) -> list[View]:
    names = dict.fromkeys(name for content in contents for name in main_metrics(content))
    return [_result(name, contents) for name in names]


def _result(name: str, contents: Sequence[Content]) -> View:
    found = [finite(content["metrics"].get(name, "nan")) for content in contents]
    known = [value for value in found if not math.isnan(value)]
    less = smaller_is_better(name, contents[0]["best"])
    best = (min(known) if less else max(known)) if len(set(known)) > 1 else None
    cells = [
        {
            "text": number(value) if name in content["metrics"] else None,
            "best": best is not None and value == best,
        }
        for value, content in zip(found, contents, strict=True)
    ]
    return {"name": name, "cells": cells}


def _groups(contents: Sequence[Content], words: Words) -> list[View]:
    t = words["compare"]
    readers = (
        (t["parameters"], _parameters),
        (t["code"], lambda manifest: _code(manifest, t)),
        (t["data"], _data),
        (t["environment"], _environment),
        (t["machine"], _machine),
    )
    groups = []
    for title, read in readers:
        facts = [read(content["manifest"]) for content in contents]
        if rows := _differing(facts, t["absent"]):
            groups.append({"title": title, "rows": rows})
    return groups


def _differing(facts: Sequence[Mapping[str, str]], absent: str) -> list[tuple[str, list[str]]]:
    names = dict.fromkeys(name for each in facts for name in each)
    rows = [(name, [each.get(name, absent) for each in facts]) for name in names]
    return [(name, cells) for name, cells in rows if len(set(cells)) > 1]


def _parameters(manifest: Mapping[str, Any]) -> dict[str, str]:
    values = flatten(manifest.get("config", {}))
    return {k: _plain(v) for k, v in values.items() if not k.startswith(NAMES)}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(manifest: Mapping[str, Any], t: Words) -> dict[str, str]:
    code = manifest.get("code", {})
    named = (("commit", "commit"), ("dirty", "dirty"), ("diff", "diff_sha256"))
    facts = {t[word]: _plain(code.get(key)) for word, key in named if key in code}
    return facts | {t["classes"].format(name=k): v for k, v in code.get("classes", {}).items()}


def _data(manifest: Mapping[str, Any]) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, entry in manifest.get("data", {}).items():
        shapes = {split: ", ".join(entry[split]) for split in ("train", "test") if split in entry}
        facts |= {f"{name}: SHA-256": _plain(entry["sha256"])}
        facts |= {f"{name}: {split}": shape for split, shape in shapes.items()}
    return facts


def _environment(manifest: Mapping[str, Any]) -> dict[str, str]:
    environment = manifest.get("environment", {})
    switches = {k: _plain(v) for k, v in manifest.get("determinism", {}).items()}
    python = {"python": environment["python"]} if environment else {}
    return {**python, **environment.get("packages", {}), **switches}


def _machine(manifest: Mapping[str, Any]) -> dict[str, str]:
    machine = manifest.get("machine", {})
    return {name: _plain(machine[name]) for name in MACHINE if name in machine}


def _charts(contents: Sequence[Content], words: Words) -> list[View]:
    names = dict.fromkeys(n for content in contents for n in content["history"] if is_result(n))
    charts = []
    for name in names:
        series = [
            Series(letter(place), values, place)
            for place, content in enumerate(contents)
            if _is_curve(values := [finite(v) for v in content["history"].get(name, ())])
        ]
        if series:
            charts.append({"name": name, "svg": _overlaid(name, series, words), "series": series})
    return charts


def _is_curve(values: Sequence[float]) -> bool:
    return len(values) > 1 and any(map(math.isfinite, values))


def _overlaid(name: str, series: Sequence[Series], words: Words) -> Any:
    t = words["curves"]
    said = " ".join(
        t["line"].format(name=s.name, first=number(s.values[0]), last=number(s.values[-1]))
        for s in series
    )
    count = max(len(each.values) for each in series)
    return line_chart(series, t["epoch"], t["label"].format(metric=name, count=count, lines=said))
