"""``NAME`` or ``NAME@ALIAS``: what a trained model is called in the model registry."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

LONGEST_NAME, LONGEST_ALIAS = 256, 255  # characters; what MLflow's tables hold
NOT_IN_NAMES = "/:@'\""  # MLflow's own two, ours, and what its filters can't quote
ALIAS = re.compile(r"[\w-]+")
RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)  # these mean versions


@dataclass(frozen=True)
class RegisteredName:
    """A name in the registry and, with it, the alias that is to point to the version."""

    name: str
    alias: str | None

    def __str__(self) -> str:
        return self.name if self.alias is None else f"{self.name}@{self.alias}"


def parse_registered_name(text: str) -> RegisteredName:
    """Return the name and the alias in ``NAME[@ALIAS]``, by MLflow's rules.

    Raises:
        ValueError: what is wrong with it, beginning with ``must``.
    """
    name, at, alias = text.partition("@")
    trouble = _trouble_of_name(name) or (_trouble_of_alias(alias) if at else None)
    if trouble:
        raise ValueError(f"must be NAME or NAME@ALIAS (digits@champion): {trouble}")
    return RegisteredName(name, alias if at else None)


def _trouble_of_name(name: str) -> str | None:
    if not name or name.strip() != name or not name.isprintable():
        return "the name is empty, or has blanks around it or control characters in it"
    if found := [sign for sign in NOT_IN_NAMES if sign in name]:
        return f"the name may not hold {found[0]}"
    if len(name) > LONGEST_NAME:
        return f"the name has {len(name)} characters; {LONGEST_NAME} are allowed"
    if name == ".." or posixpath.normpath(name) != name or name == ".":
        return f"'{name}' is no name but a path"
    return None


def _trouble_of_alias(alias: str) -> str | None:
    if not ALIAS.fullmatch(alias):
        return f"the alias '{alias}' may hold letters, digits, _ and - only"
    if len(alias) > LONGEST_ALIAS:
        return f"the alias has {len(alias)} characters; {LONGEST_ALIAS} are allowed"
    if RESERVED.fullmatch(alias):
        return f"the alias '{alias}' is reserved: it means a version"
    return None
