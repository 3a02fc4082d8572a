"""Nested mappings and lists, seen by the keys of their values: ``("task", "name")``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Key = tuple[str, ...]


def leaves(value: Any, path: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield every value that is no mapping and no list, with its key."""
    if isinstance(value, Mapping | list):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in parts:
            yield from leaves(part, (*path, str(key)))
    else:
        yield path, value


def value_at(values: Any, key: Key) -> Any:
    """Return what stands at a key; None if nothing does."""
    for part in key:
        if isinstance(values, list):
            values = values[int(part)] if int(part) < len(values) else None
        else:
            values = values.get(part) if isinstance(values, Mapping) else None
    return values


def holds(values: Any, key: Key) -> bool:
    """Return whether a mapping has the key, be it null."""
    above = value_at(values, key[:-1])
    return isinstance(above, Mapping) and key[-1] in above


def put(values: Any, key: Key, value: Any) -> None:
    """Set the value at a key; mappings above it that are not there are made."""
    for part in key[:-1]:
        values = values[int(part)] if isinstance(values, list) else values.setdefault(part, {})
    values[int(key[-1]) if isinstance(values, list) else key[-1]] = value


def drop(values: dict[str, Any], key: Key, but: set[str]) -> None:
    """Take a key out, if it is there; of a mapping, what ``but`` names stays."""
    if not holds(values, key):
        return
    above, name = value_at(values, key[:-1]), key[-1]
    inner = {part: above[name][part] for part in but if holds(above, (name, part))}
    del above[name]
    if inner:
        above[name] = inner
