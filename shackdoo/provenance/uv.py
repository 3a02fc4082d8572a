"""uv, which finds Pythons and installs packages: how it is called, and what its refusals mean."""

from __future__ import annotations

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from shackdoo.errors import IngredientError
from shackdoo.provenance.environment import installed_packages
from shackdoo.provenance.packages import Wanted, normalized, shortened

WAY_OUT = "--here runs it in the present environment; `shackdoo diff` then tells what differs."
# Whoever has told uv where packages are is believed; else what pip was told holds for uv as well.
TOLD = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
UV_FILES = (Path("~/.config/uv/uv.toml"), Path("/etc/uv/uv.toml"))
FROM_PIP = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
BECAUSE = re.compile(r"Because (?P<why>.+?) and you require (?P<what>[\w.-]+)==[^\s,]+,")
WHY = {
    "no usable wheels": "source only, built only if the same version is here",
    "no wheels": "served without a wheel for this Python and system",
    "not found": "not served",
    "no version of": "this version is not served",
}
# What uv says is read: it breaks its lines at the width that COLUMNS tells.
PLAIN = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "COLUMNS": "10000"}
MOST = 20  # packages that are not served, of which each is found by asking once more


class UvError(Exception):
    """What uv said when it could not do what it was asked."""

    @property
    def reason(self) -> str:
        """Why, in a few words."""
        causes = re.findall(r"(?:^|\s)cause: (.+)", str(self)) or re.findall(
            r"^error: (.+)", str(self), re.MULTILINE
        )
        told = [causes[0], causes[-1]] if len(causes) > 2 else causes
        return "; ".join(text.strip().rstrip(".") for text in told) or "it did not say why"


def uv(arguments: Sequence[str], given: str = "", keep: Sequence[int] = ()) -> str:
    """Run uv; return what it printed.

    Args:
        arguments: of uv.
        given: its standard input.
        keep: open files that stay open in it.

    Raises:
        UvError: if it fails.
    """
    done = subprocess.run(
        [_program(), *arguments],
        input=given,
        capture_output=True,
        text=True,
        env={**_settings(), **os.environ, **PLAIN},
        cwd="/",  # a uv.toml beside the recorded code is not read
        pass_fds=keep,
    )
    if done.returncode:
        raise UvError(done.stderr)
    return done.stdout


def _program() -> str:
    try:
        import uv as package

        return str(package.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise IngredientError(
            f"uv, which makes environments, is not installed: pip install uv. {WAY_OUT}"
        )
    return found


def _settings() -> dict[str, str]:
    """Return pip's settings as uv's variables, unless uv has settings of its own."""
    if any(name in os.environ for name in TOLD) or any(
        file.expanduser().is_file() for file in UV_FILES
    ):
        return {}
    return _settings_of_pip()


@functools.cache
def _settings_of_pip() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():  # without pip: none
        key, _, value = line.partition("=")
        name, separator = FROM_PIP.get(key.rpartition(".")[2], (None, ""))
        if name and value.startswith(("'", '"')):
            found[name] = separator.join(str(ast.literal_eval(value)).split())
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # all indexes are equal, as for pip
    return found


def exactly(wanted: Wanted) -> list[str]:
    """Return the options by which uv takes these packages and no other.

    A source is code that is executed to install it. That is done with no other than those that
    have been installed on this machine before, in the same version.
    """
    wheels_only = wanted.differing(installed_packages())
    return ["--no-deps", *(word for name in wheels_only for word in ("--only-binary", name))]


def unserved(wanted: Wanted) -> dict[str, str]:
    """Return the packages that no index has, and why not, without installing any.

    Returns:
        ``name==version`` to the reason; at most twenty.

    Raises:
        UvError: if no index answers.
    """
    left, found = dict(wanted.packages), dict[str, str]()
    target = ("--quiet", "--no-header", "--python-version", wanted.python)
    while len(found) < MOST:
        some = Wanted(wanted.python, left)
        try:
            uv(["pip", "compile", *target, *exactly(some), "-"], some.requirements())
            break
        except UvError as error:
            name, why = _refused(error)
            if name not in left:
                raise
            found[f"{name}=={left.pop(name)}"] = why
    return found


def _refused(error: UvError) -> tuple[str, str]:
    """Return which package uv could not have, and why."""
    text = " ".join(re.sub(r"[^\x00-\x7f]", " ", str(error)).split())
    match = BECAUSE.search(text)
    if match is None:
        return "", ""
    known = (meaning for sign, meaning in WHY.items() if sign in match["why"])
    return normalized(match["what"]), next(known, match["why"])


def cant_be_had(wanted: Wanted, error: UvError) -> IngredientError:
    """Return the error that tells which packages are not to be had, or why no index answers."""
    try:
        gone = unserved(wanted)
    except UvError as other:
        error, gone = other, {}
    if not gone:
        return IngredientError(
            f"The packages of the run can't be had: {error.reason}. Check the network, and where "
            f"uv looks for packages (UV_DEFAULT_INDEX, UV_FIND_LINKS, or pip's settings). {WAY_OUT}"
        )
    texts = (f"{package} ({why})" for package, why in gone.items())
    return IngredientError(
        f"{len(gone)} of the {len(wanted.packages)} packages of the run can't be had: "
        f"{shortened(texts)}. If you have their wheels, UV_FIND_LINKS names the folder. {WAY_OUT}"
    )
