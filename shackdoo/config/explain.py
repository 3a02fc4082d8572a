"""What a model refuses, in the user's words: the place, what is wrong, what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from shackdoo.config.places import Loc, Origin, line_of, show
from shackdoo.errors import ConfigError, did_you_mean, listing

KINDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping of names to values",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "string_too_short": "something that isn't empty",
    "string_type": "text",
    "too_short": "something that isn't empty",
    "tuple_type": "a list",
}
Fault = Mapping[str, Any]


def explain_validation(
    error: ValidationError,
    origin: Origin,
    values: Mapping[str, Any],
    prefix: tuple[str, ...] = (),
    known: Iterable[str] = (),
) -> ConfigError:
    """Return the error that tells the user every mistake, one a line.

    Args:
        error: what a pydantic model raised.
        origin: the files and overrides of the composition.
        values: the whole composed configuration.
        prefix: the key of the configuration that the model stands for.
        known: names the model has, beside those found in ``values``.
    """
    if headless := _without_header(origin):
        return ConfigError(headless)
    faults: list[Fault] = [
        {
            **fault,
            "loc": _within(values, prefix + fault["loc"], fault["type"]),
            "type": "invalid_key" if fault["loc"][-1:] == ("[key]",) else fault["type"],
        }
        for fault in error.errors(include_url=False)
    ]
    lines = {
        _sentence(fault, faults, origin, values, known if fault["loc"][:-1] == prefix else ())
        for fault in faults
    }
    return ConfigError("\n".join(sorted(lines)))


def _without_header(origin: Origin) -> str | None:
    """Return the message for a task's file that is merged under ``task``, not at the top."""
    for source in origin.sources:
        landed = source.path.parent.name == "task" and source.package == ("task",)
        if landed and line_of(source.path, "task"):
            return (
                f"{show(source.path, origin.project)}:1: a task's file begins with the line "
                f"'# @package _global_', above any other comment; without it, its keys would all "
                f"land under 'task'."
            )
    return None


def _within(values: Any, loc: Loc, kind: str) -> Loc:
    """Cut off what pydantic appends to a key: the member of a union, ``[key]``."""
    for depth, part in enumerate(loc):
        inside = part in values if isinstance(values, dict) else _is_index(values, part)
        if not inside:
            return loc[: depth + (kind == "missing")]
        values = values[part]
    return loc


def _is_index(values: Any, part: str | int) -> bool:
    return isinstance(values, list) and isinstance(part, int) and part < len(values)


def _sentence(
    fault: Fault,
    faults: Sequence[Fault],
    origin: Origin,
    values: Mapping[str, Any],
    known: Iterable[str],
) -> str:
    place, name = origin.place(fault["loc"]), dotted(fault["loc"])
    kind = fault["type"]
    if kind == "extra_forbidden":
        return (
            f"{place}: {unknown_key(fault['loc'], _siblings(fault['loc'], faults, values, known))}"
        )
    if kind == "missing":
        return f"{place}: {name} is missing; set it there or on the command line: {name}=…"
    if kind in ("invalid_key", "none_required"):
        return f"{place}: {_REFUSALS[kind].format(name=name, value=fault['input'])}"
    return f"{place}: {name} is {_quoted(fault['input'])}, but {_demand(fault)}."


_REFUSALS = {
    "invalid_key": "the key {name} is no text; put it in quotes.",
}


def unknown_key(loc: Loc, known: Iterable[str]) -> str:
    """Return the sentence for a key that doesn't exist, with what does."""
    names = sorted(known)
    where = dotted(loc[:-1]) or "the configuration"
    name = str(loc[-1])
    return f"no key '{name}' in {where}.{did_you_mean(name, names)} Known: {listing(names)}."


def _siblings(
    loc: Loc, faults: Sequence[Fault], values: Mapping[str, Any], known: Iterable[str]
) -> set[str]:
    beside: Any = values
    for part in loc[:-1]:
        beside = beside[part]
    near = {fault["loc"][-1]: fault["type"] for fault in faults if fault["loc"][:-1] == loc[:-1]}
    there = {str(name) for name in beside if near.get(name) != "extra_forbidden"}
    return there | {str(name) for name, kind in near.items() if kind == "missing"} | set(known)


def _demand(fault: Fault) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in KINDS:
        hint = "; in YAML a bare on, off, yes or no is true or false, so put it in quotes"
        bare = kind == "string_type" and isinstance(fault["input"], bool)
        return f"must be {KINDS[kind]}{hint if bare else ''}"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return message.replace("Input should be", "must be")


def _quoted(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def dotted(loc: Loc) -> str:
    """Return a key as it is typed on the command line: ``task.parameters.epochs``."""
    return ".".join(str(part) for part in loc)
