"""A recorded environment as what can be asked for: a Python and packages, with exact versions."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

from shackdoo.errors import RequestError
from shackdoo.provenance.environment import installed_packages

PYTHON = re.compile(r"3\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d{1,3})?")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_-]{0,126}")
SHOWN = 5

Differing = Mapping[str, tuple[str, str | None]]  # name to the recorded version and the other


@dataclass(frozen=True)
class Wanted:
    """A Python and packages; no name and no version in it can be anything else.

    Attributes:
        python: its version.
        packages: normalized name to version.
    """

    python: str
    packages: Mapping[str, str]

    @classmethod
    def of(cls, recorded: Mapping[str, Any], left_out: Collection[str]) -> Wanted:
        """Return what the environment of a manifest asks for.

        Args:
            recorded: the part of the manifest.
            left_out: normalized names of packages that are not asked for.

        Raises:
            RequestError: if a name or a version is none.
        """
        python, implementation = recorded.get("python"), recorded.get("implementation")
        if implementation not in (None, "CPython"):
            _refuse("implementation of Python", implementation)
        _check(PYTHON, python, "version of Python")
        packages = recorded.get("packages")
        if not isinstance(packages, Mapping):
            _refuse("list of packages", packages)
        for name, version in packages.items():
            _check(NAME, name, "name of a package")
            _check(VERSION, version, f"version of {name}")
        asked = {normalized(name): version for name, version in packages.items()}
        return cls(str(python), {n: v for n, v in sorted(asked.items()) if n not in left_out})

    @property
    def digest(self) -> str:
        """A name for the environment on machines of this kind."""
        kind = [self.python, sys.platform, platform.machine()]
        text = json.dumps([kind, sorted(self.packages.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def is_here(self) -> bool:
        """Return whether the present interpreter has it all."""
        same = self.python == platform.python_version()
        return same and not self.differing(installed_packages())

    def differing(self, installed: Mapping[str, str]) -> Differing:
        """Return the packages that are not installed in that version; what is more is not told."""
        have = {normalized(name): version for name, version in installed.items()}
        return {
            name: (version, have.get(name))
            for name, version in self.packages.items()
            if have.get(name) != version
        }

    def requirements(self) -> str:
        """Return them as lines of a requirements file."""
        return "".join(f"{name}=={version}\n" for name, version in self.packages.items())


def normalized(name: str) -> str:
    """Return the one spelling of a package's name that all its spellings share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def differing_packages(
    recorded: Mapping[str, Any], here: Mapping[str, Any], left_out: Collection[str] = ()
) -> Differing:
    """Return the packages that two environments of manifests don't share, as the first has them.

    Args:
        recorded: an environment.
        here: another; what it has more is not told.
        left_out: normalized names that are not compared.

    Raises:
        RequestError: if what is recorded is no environment.
    """
    return Wanted.of(recorded, left_out).differing(here["packages"])


def told(differing: Differing) -> str:
    """Return packages that differ for people, the first few by name."""
    texts = [f"{name} {was} (here: {now or 'none'})" for name, (was, now) in differing.items()]
    return shortened(texts)


def shortened(texts: Iterable[str]) -> str:
    """Return the first few texts, and how many more there are."""
    every = list(texts)
    more = [f"and {len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return ", ".join(every[:SHOWN] + more)


def own_names(tree: Path) -> frozenset[str]:
    """Return the normalized name of the package that a tree itself is, if it is one."""
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
        name = project["project"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    return frozenset((normalized(name),)) if isinstance(name, str) else frozenset()


def editable_folders() -> dict[str, Path]:
    """Return the packages of this interpreter that are links to a folder, and what is imported.

    Returns:
        Normalized name to the folder that belongs on Python's path.
    """
    found: dict[str, Path] = {}
    for distribution in distributions():
        text = distribution.read_text("direct_url.json")
        place = json.loads(text) if text else {}
        if place.get("dir_info", {}).get("editable"):
            folder = Path(url2pathname(urlsplit(place["url"]).path))
            inner = folder / "src"
            found[normalized(distribution.name)] = inner if inner.is_dir() else folder
    return found


def _check(pattern: re.Pattern[str], value: object, what: str) -> None:
    if not (isinstance(value, str) and pattern.fullmatch(value)):
        _refuse(what, value)


def _refuse(what: str, value: object) -> NoReturn:
    raise RequestError(
        f"The record of the run has {str(value)[:80]!r} as the {what}, which is none. Its "
        f"environment is not built; --here runs it in the present one."
    )
