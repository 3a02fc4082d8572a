"""A Python with exactly the recorded packages: the present one if it has them, else one is built.

What was built stays in the state folder under a digest of what is in it, whole or not at all. Who
builds holds a lock on the folder it builds in, and so does the uv that it has started; when both
are gone the folder is nobody's.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.errors import IngredientError
from shackdoo.provenance.claimed_folder import claim, remove_claimed, remove_unclaimed
from shackdoo.provenance.environment import installed_packages
from shackdoo.provenance.packages import Wanted, editable_folders, shortened, told
from shackdoo.provenance.uv import WAY_OUT, UvError, cant_be_had, exactly, unserved, uv
from shackdoo.provenance.wheel_files import altered

ENVIRONMENTS = "environments"
WHOLE = "whole"  # a file in an environment, as old as its files at most
Say = Callable[[str], None]


@dataclass(frozen=True)
class Rebuilt:
    """A Python that has the recorded packages.

    Attributes:
        python: the interpreter.
        built: whether it was built just now.
        seconds: that it took.
        paths: folders that belong on its path: what the record has, and is a link to a folder
            here.
    """

    python: Path
    built: bool
    seconds: float
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Which Python will have the recorded packages; its text says it in a line.

    Attributes:
        wanted: Python and packages.
        paths: see :class:`Rebuilt`.
        folder: of the environment, if the present one is not taken.
        there: whether that is there and sound.
    """

    wanted: Wanted
    paths: tuple[Path, ...]
    folder: Path | None
    there: bool

    def __str__(self) -> str:
        if self.folder is None:
            return f"the present Python {self.wanted.python}, which has the recorded packages"
        if self.there:
            return f"{_python(self.folder)}, which was built before"
        return f"one that is built: {_in_words(self.wanted)}"

    def python(self, say: Say) -> Rebuilt:
        """Return the Python, built if it is not there; ``say`` is told what takes long.

        Raises:
            IngredientError: if the Python or a package can't be had.
        """
        if self.folder is None:
            return Rebuilt(Path(sys.executable), False, 0.0)
        began = time.monotonic()
        built = not self.there and _make(self.folder, self.wanted, say)
        return Rebuilt(_python(self.folder), built, time.monotonic() - began, self.paths)


def plan(recorded: Mapping[str, Any], state: Path, own: Collection[str] = ()) -> Plan:
    """Return which Python a manifest's environment gets; nothing is built yet.

    Args:
        recorded: the part of the manifest.
        state: the state folder, in which what is built is kept.
        own: normalized names of packages whose code is the project's own.

    Raises:
        RequestError: if what is recorded is no Python or no package.
    """
    wanted, paths = _wanted(recorded, own)
    if wanted.is_here():
        return Plan(wanted, paths, None, True)
    folder = state / ENVIRONMENTS / wanted.digest
    return Plan(wanted, paths, folder, _is_sound(folder, wanted))


def python_for(
    recorded: Mapping[str, Any], state: Path, say: Say, own: Collection[str] = ()
) -> Rebuilt:
    """Return a Python with the packages of a manifest's environment.

    Args:
        recorded: the part of the manifest.
        state: the state folder, in which what is built is kept.
        say: is told what takes long.
        own: normalized names of packages whose code is the project's own.

    Raises:
        RequestError: if what is recorded is no Python or no package.
        IngredientError: if the Python or a package can't be had.
    """
    return plan(recorded, state, own).python(say)


def missing(recorded: Mapping[str, Any], own: Collection[str] = ()) -> list[str]:
    """Return what of a manifest's environment can't be had, a text each, without building it.

    Args:
        recorded: the part of the manifest.
        own: normalized names of packages whose code is the project's own.

    Raises:
        RequestError: if what is recorded is no Python or no package.
        IngredientError: if no index answers.
    """
    wanted, _ = _wanted(recorded, own)
    if wanted.is_here():
        return []
    found = []
    try:
        uv(["python", "find", _request(wanted)])
    except UvError:
        found.append(f"Python {wanted.python}: not on this machine, uv would have to download it")
    try:
        gone = unserved(wanted)
    except UvError as error:
        raise cant_be_had(wanted, error) from None
    return found + [f"{package}: {why}" for package, why in gone.items()]


def clear_half_built(state: Path) -> None:
    """Remove what builders that are gone have left half built."""
    for part in (state / ENVIRONMENTS).glob(".*.part"):
        remove_unclaimed(part)
    for gone in (state / ENVIRONMENTS).glob(".*.gone"):
        shutil.rmtree(gone, ignore_errors=True)


def _wanted(recorded: Mapping[str, Any], own: Collection[str]) -> tuple[Wanted, tuple[Path, ...]]:
    """Return what is to be installed, and the folders of what is only linked to."""
    links = editable_folders()
    whole = Wanted.of(recorded, own)
    names = [name for name in links if name in whole.packages]
    return Wanted.of(recorded, {*own, *links}), tuple(links[name] for name in names)


def _make(folder: Path, wanted: Wanted, say: Say) -> bool:
    """Build an environment; return whether this process did, and not another meanwhile."""
    part = folder.with_name(f".{folder.name}.part")
    lock = claim(
        part, lambda: say("waiting for another process, which builds the same environment")
    )
    try:
        if _is_sound(folder, wanted):
            return False
        say(f"building an environment: {_in_words(wanted)}")
        _build(part, wanted, lock)
        if folder.exists():  # not as it was built any more
            gone = folder.with_name(f".{folder.name}.{os.getpid()}.gone")
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        part.rename(folder)
        return True
    finally:
        remove_claimed(part, lock)
        os.close(lock)


def _build(part: Path, wanted: Wanted, lock: int) -> None:
    for left in part.iterdir():  # by a builder that was killed
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    try:
        uv(
            ["venv", "--quiet", "--relocatable", "--python", _request(wanted), str(part)],
            "",
            [lock],
        )
    except UvError as error:
        raise _no_python(wanted, error) from None
    _install(part, wanted, [], lock)
    # uv links to the files of its cache, so what was edited in another environment is here, too.
    if spoilt := altered(_sites(part)):
        _install(part, wanted, ["--no-cache", *_each("--reinstall-package", spoilt)], lock)
    if spoilt := altered(_sites(part)):
        raise IngredientError(
            f"{shortened(spoilt)} of the environment that was built is not as it was made: its "
            f"files have other digests than it tells. {WAY_OUT}"
        )
    if other := wanted.differing(_installed(part)):
        instead = shortened(f"{name} {now} for {was}" for name, (was, now) in other.items())
        raise IngredientError(
            f"The environment that was built is not the recorded one: {instead}. Settings of "
            f"uv on this machine, as UV_OVERRIDE or UV_CONSTRAINT, may be why. {WAY_OUT}"
        )
    (part / WHOLE).touch()


def _install(part: Path, wanted: Wanted, options: list[str], lock: int) -> None:
    compiled = ["--compile-bytecode"] if os.environ.get("PYTHONDONTWRITEBYTECODE") else []
    target = ["--python", str(_python(part)), *exactly(wanted), *compiled, *options]
    try:
        uv(["pip", "install", "--quiet", *target, "-r", "-"], wanted.requirements(), [lock])
    except UvError as error:
        raise cant_be_had(wanted, error) from None


def _each(option: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _request(wanted: Wanted) -> str:
    """Return how uv is asked for the Python; the one that this runs on needs no search."""
    same = wanted.python == platform.python_version()
    return sys.executable if same else f"cpython@{wanted.python}"


def _no_python(wanted: Wanted, error: UvError) -> IngredientError:
    here = platform.python_version()
    return IngredientError(
        f"The run was made with Python {wanted.python}. This is Python {here}, and that one is "
        f"not on this machine; uv can't have it either: {error.reason}. Install it, e.g. "
        f"uv python install {wanted.python}, or pyenv install {wanted.python}. {WAY_OUT}"
    )


def _in_words(wanted: Wanted) -> str:
    differing = wanted.differing(installed_packages())
    which = f", not as here: {told(differing)}" if differing else ""
    return f"Python {wanted.python} with the {len(wanted.packages)} recorded packages{which}"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _sites(folder: Path) -> list[Path]:
    return list(folder.glob("lib/python*/site-packages"))


def _installed(folder: Path) -> dict[str, str]:
    return installed_packages([str(site) for site in _sites(folder)])


def _is_sound(folder: Path, wanted: Wanted) -> bool:
    """Return whether an environment is there, has the packages as they were, and starts."""
    whole = folder / WHOLE
    if not whole.is_file() or wanted.differing(_installed(folder)):
        return False
    if altered(_sites(folder), since=whole.stat().st_mtime):
        return False
    ask = "import platform; print(platform.python_version())"
    with contextlib.suppress(OSError):
        done = subprocess.run([_python(folder), "-I", "-c", ask], capture_output=True, text=True)
        return done.stdout.strip() == wanted.python
    return False
