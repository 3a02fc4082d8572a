"""An inference in a few lines of Markdown: its description in the tracking store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shackdoo.report.markdown import line, plain
from shackdoo.report.numbers import number
from shackdoo.report.texts import Language, texts

FORMS = 3  # sorts of inputs that are told


@dataclass(frozen=True)
class InferenceFacts:
    """What an inference was and what came of it.

    Attributes:
        model: name of the run that has trained the model.
        uid: of that run.
        data: name of what was read.
        inputs: how many there were.
        refused: how many of them could not be understood.
        forms: how they looked, to how many looked so, most first.
        metrics: over the inputs whose truth is known; ``known`` says how many.
    """

    model: str
    uid: str
    data: str
    inputs: int
    refused: int
    forms: Mapping[str, int]
    metrics: Mapping[str, float]


def inference_summary(facts: InferenceFacts, language: Language) -> str:
    """Return the description in a language."""
    t = texts(language)["inference"]
    refused = f"; {t['refused'].format(count=facts.refused)}" if facts.refused else ""
    lines = [
        line(t["model"], plain(t["of_run"].format(name=facts.model, uid=facts.uid[:8]))),
        line(t["inputs"], f"{facts.inputs:,}, {plain(facts.data)}{refused}"),
    ]
    if facts.forms:
        told = (f"{plain(form)}: {count:,}" for form, count in [*facts.forms.items()][:FORMS])
        lines.append(line(t["read"], "; ".join(told)))
    lines.append(line(t["result"], _result(facts.metrics, t)))
    return "\n".join([*lines, "", t["files"]])


def _result(metrics: Mapping[str, float], t: Mapping[str, str]) -> str:
    if not metrics:
        return t["unknown"]
    told = ", ".join(f"{plain(k)} {number(v)}" for k, v in metrics.items() if k != "known")
    return t["known"].format(metrics=told, count=f"{metrics['known']:,.0f}")
