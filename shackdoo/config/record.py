"""The composed configuration as it is recorded: flat, and as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

Scalar = str | int | float | bool | None

WITHOUT_EFFECT = frozenset(
    {
        "experiment",
        "description",
        "tag",
        "tags",
        "tracking",
        "report",
        "best",
        "checkpoint",
        "gpu",
        "resume",
        "register",
        *("run", "input", "output", "pictures", "mistakes"),  # of an inference
    }
)


def flatten(values: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the values by dotted key: ``{"task.parameters.epochs": 1}``.

    A list is its JSON text, an empty mapping the text ``{}``.
    """
    return dict(_leaves(values, ""))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Scalar]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, Mapping | list | tuple):
            yield f"{prefix}{key}", json.dumps(value)
        else:
            yield f"{prefix}{key}", value


def effective(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that can change the bits of a result; see :func:`config_digest`."""
    return {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}


def config_digest(values: Mapping[str, Any]) -> str:
    """Return the sha256 of all values that can change the bits of a result.

    Left out are names, records and pictures of a run: ``experiment``, ``description``, ``tag``,
    ``tags``, ``tracking``, ``report``, ``best``, ``checkpoint``, ``resume``, ``register``;
    ``gpu``, by which memory is shared; and of an inference the names of model and files, which
    its record has by their digests. The order of keys is immaterial, but for ``callbacks``,
    which run in their order.

    Returns:
        64 hexadecimal digits.
    """
    counted = effective(values)
    counted["callbacks"] = list(counted.get("callbacks", {}).items())
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
