"""How to run a run again: the commands, ready for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"


def commands(manifest: Mapping[str, Any], kind: str) -> list[str]:
    """Return the lines to be typed, from an empty folder on if the code has a remote.

    Args:
        manifest: of the run; it may be empty.
        kind: of the run, if it is no training: the name of its command.
    """
    if "overrides" not in manifest:
        return []
    code = manifest["code"]
    lines = []
    if code["remote"]:
        lines.append(shlex.join(["git", "clone", code["remote"], "project"]) + " && cd project")
    if code["commit"]:
        lines.append(f"git checkout {shlex.quote(code['commit'])}")
    if code["diff_sha256"]:
        lines.append("git apply code.diff")
    overrides = list(manifest["overrides"])
    model = manifest.get("trained_run")
    if model and not any(each.startswith("run=models:") for each in overrides):
        overrides = [each for each in overrides if not each.startswith("run=")] + [f"run={model}"]
    return [*lines, shlex.join(["shackdoo", kind or "train", *_based(manifest, overrides)])]


def _based(manifest: Mapping[str, Any], overrides: list[str]) -> list[str]:
    """Return the arguments; a run may have begun with another one's configuration."""
    if "same_as" not in manifest:
        return overrides
    run = manifest["same_as"]["run"]
    return ["--same-as", "config.yaml"] if run is None else ["--same-as", run, *overrides]


def has_hidden(manifest: Mapping[str, Any]) -> bool:
    """Return whether a secret has to be put into the commands."""
    return any(HIDDEN in override for override in manifest.get("overrides", ()))
