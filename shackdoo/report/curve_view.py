"""The section of a run's page with its learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shackdoo.report.charts import Series, line_chart
from shackdoo.report.content import Content, is_result
from shackdoo.report.numbers import finite, number

Words = Mapping[str, Any]
View = dict[str, Any]
FEWEST_STEPS = 3  # that make a curve
ACCENT, MUTED = 0, 5  # looks of the lines: held out, training


def curves_view(content: Content, words: Words) -> View | None:
    """Return each metric over the epochs, or over the steps of the only one; None without any."""
    history = {n: [finite(v) for v in vs] for n, vs in content["history"].items()}
    if not history or content["run"]["kind"]:  # an inference has no epochs
        return None
    names = [n for n in history if is_result(n) and not n.startswith("val_")]
    epochs = max(len(values) for values in history.values())
    charts = [_chart(name, history, words) for name in names if _can_be_drawn(history[name])]
    rows = [
        [str(e + 1), *(number(values[e]) if e < len(values) else "" for values in history.values())]
        for e in range(epochs)
    ]
    t = words["curves"]
    return {
        "id": "curves",
        "title": t["title"],
        "charts": charts if epochs > 1 else _within(names, history, content, words),
        "epochs": epochs,
        "columns": [t["epoch"], *history],
        "rows": rows,
    }


def _within(
    names: Sequence[str], history: Mapping[str, list[float]], content: Content, words: Words
) -> list[View]:
    """Return the charts of the only epoch: the mean up to each step, and what was held out."""
    within, t, r = content.get("within"), words["curves"], words["results"]
    if not within or len(within["steps"]) < FEWEST_STEPS:
        return []
    steps, charts = within["steps"], []
    for name in names:
        means = [finite(v) for v in within["metrics"].get(name, ())]
        if not _can_be_drawn(means):
            continue
        lines = [(t["so_far"].format(name=r["train"]), Series("", means, MUTED, steps))]
        held_out = history.get(f"val_{name}", ())
        if held_out:
            lines.append((r["validation"], Series("", held_out, ACCENT, steps[-1:])))
        said = " ".join(
            t["line"].format(name=line, first=number(one.values[0]), last=number(one.values[-1]))
            for line, one in lines
        )
        label = t["label_steps"].format(metric=name, count=steps[-1], lines=said)
        legend = [(line, one.look) for line, one in lines]
        svg = line_chart([one for _, one in lines], t["step"], label)
        charts.append({"name": name, "legend": legend, "svg": svg})
    return charts


def _can_be_drawn(values: Sequence[float]) -> bool:
    return any(map(math.isfinite, values))


def _chart(name: str, history: Mapping[str, list[float]], words: Words) -> View:
    t, r = words["curves"], words["results"]
    lines = [(r["train"], history[name], MUTED)]
    if f"val_{name}" in history:
        lines.append((r["validation"], history[f"val_{name}"], ACCENT))
    said = " ".join(
        t["line"].format(name=line, first=number(values[0]), last=number(values[-1]))
        for line, values, _ in lines
    )
    label = t["label"].format(metric=name, count=len(history[name]), lines=said)
    series = [Series("", values, look) for _, values, look in lines]
    return {
        "name": name,
        "legend": [(line, look) for line, _, look in lines],
        "svg": line_chart(series, t["epoch"], label),
    }
