"""git in a folder that a record is made into: without settings, hooks, filters, shell or prompt."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from shackdoo.errors import IngredientError
from shackdoo.provenance.plain_git import SETTINGS, without_git

REACHING = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_SSL_CAINFO")
# No setting of the tree's own repository is followed, nothing of it is executed.
INERT = (
    *("-c", f"core.hooksPath={os.devnull}", "-c", f"core.attributesFile={os.devnull}"),
    *("-c", "core.fsmonitor=false", "-c", "core.autocrlf=false", "-c", "submodule.recurse=false"),
    *("-c", "protocol.allow=never", "-c", "protocol.file.allow=always"),
    *("-c", "protocol.http.allow=always", "-c", "protocol.https.allow=always"),
    *("-c", "protocol.ssh.allow=always", "-c", "gc.auto=0", "-c", "safe.directory=*"),
)
SECONDS = 600  # of a fetch


def git(folder: Path, *arguments: str) -> None:
    """Run git.

    Raises:
        IngredientError: if it fails, or is not installed.
    """
    trouble = trouble_of(folder, *arguments)
    if trouble is not None:
        raise IngredientError(f"The recorded tree can't be made: git {arguments[0]}: {trouble}.")


def trouble_of(folder: Path, *arguments: str, given: bytes | None = None) -> str | None:
    """Run git; return what it says if it fails.

    Args:
        folder: that it works in.
        arguments: of git.
        given: its standard input.
    """
    done = _run(folder, arguments, given)
    said = " ".join(done.stderr.decode("utf-8", "replace").split())
    return None if done.returncode == 0 else said.removeprefix("fatal: ")[:400].rstrip(".")


def told(folder: Path, *arguments: str) -> str | None:
    """Return git's answer, None if it has none."""
    if not folder.is_dir():
        return None
    done = _run(folder, arguments)
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None


def _environment(fetching: bool) -> dict[str, str]:
    """Return the environment of git; how a remote is reached is the user's own setting."""
    if fetching:
        return without_git(REACHING) | {"GIT_TERMINAL_PROMPT": "0"}
    return without_git() | SETTINGS


def _run(
    folder: Path, arguments: Sequence[str], given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = _environment(fetching=arguments[0] == "fetch")
    command = ["git", "--no-optional-locks", "-C", str(folder), *INERT, *arguments]
    try:
        return subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            env=environment,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        raise IngredientError(
            "git is not installed; the recorded tree is made with it (Debian: apt-get install git)."
        ) from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, b"", f"no end in {SECONDS} s".encode())
