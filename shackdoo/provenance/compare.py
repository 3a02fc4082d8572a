"""What differs between two manifests, ingredient by ingredient."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shackdoo.config.record import effective, flatten

Ingredient = Literal["code", "config", "data", "environment", "machine", "determinism", "seed"]

# Variables that name a place or a manner of speaking; no result depends on them.
WITHOUT_EFFECT = frozenset({"TF_CPP_MIN_LOG_LEVEL"})
CACHE_FLAGS = re.compile(r"--tf_xla_persistent_cache_\w+=\S+")
USUAL = {"KERAS_BACKEND": "tensorflow"}  # what a variable is when nobody has set it
MACHINE = ("architecture", "cpu_flags", "gpus")  # what bits may depend on


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Attributes:
        ingredient: of the run.
        name: what of it: a module, a key, a data set, a package.
        recorded: its value in the first manifest, None if it has none.
        now: its value in the second.
    """

    ingredient: Ingredient
    name: str
    recorded: Any
    now: Any

    def __str__(self) -> str:
        """Return it for people, in a few words."""
        if self.ingredient in ("code", "data"):
            return f"{self.ingredient}: {self.name} {_change(self.recorded, self.now)}"
        return f"{self.ingredient}: {self.name} was {_short(self.recorded)}, is {_short(self.now)}"


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return what differs of all that can change the bits of a result.

    Args:
        recorded: the manifest of a run.
        now: another one, or what :func:`~shackdoo.provenance.capture.capture` says at present.
    """
    return [
        *_differing("code", _code(recorded), _code(now)),
        *_differing("config", *_configs(recorded, now)),
        *_differing("data", _data(recorded), _data(now)),
        *_differing("environment", *_environments(recorded, now)),
        *_differing("machine", _machine(recorded), _machine(now)),
    ]


def _differing(
    ingredient: Ingredient, recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in [*recorded, *(key for key in now if key not in recorded)]:
        if recorded.get(name) != now.get(name):
            yield Difference(ingredient, name, recorded.get(name), now.get(name))


def _code(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return path to digest of each file that the task is made of."""
    modules: Mapping[str, Any] = manifest["code"]["modules"]
    return modules


def _configs(
    recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what of both configurations has an effect; the digest tells of hidden values."""
    before, after = (flatten(effective(manifest["config"])) for manifest in (recorded, now))
    if before != after:
        return before, after
    return (
        {"config_digest": recorded["config_digest"]},
        {"config_digest": now["config_digest"]},
    )


def _data(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: entry["sha256"] for name, entry in manifest["data"].items()}


def _environments(
    recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Python, packages and variables of both; packages that came to it have no effect."""
    before, after = _environment(recorded), _environment(now)
    known = recorded["environment"]["packages"]
    added = [name for name in now["environment"]["packages"] if name not in known]
    return before, {name: value for name, value in after.items() if name not in added}


def _environment(manifest: Mapping[str, Any]) -> dict[str, Any]:
    environment = manifest["environment"]
    set_ones = {
        name: without_cache_flags(value)
        for name, value in environment["variables"].items()
        if name not in WITHOUT_EFFECT
    }
    variables = {name: value for name, value in {**USUAL, **set_ones}.items() if value}
    return {"Python": environment["python"], **environment["packages"], **variables}


def without_cache_flags(value: str) -> str:
    """Return the value of a variable without the flags that name the cache of compiled programs."""
    return CACHE_FLAGS.sub("", value).strip()


def _machine(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: manifest["machine"][name] for name in MACHINE}


def _change(recorded: Any, now: Any) -> str:
    if recorded is None:
        return "is new"
    return "has changed" if now is not None else "is gone"


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
