"""The manifest: all a run is made of, captured before it starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shackdoo.provenance import environment, machine
from shackdoo.provenance.image import code_state
from shackdoo.provenance.secrets import Redactor

SCHEMA_VERSION = 1


def capture(
    *,
    run_uid: str,
    command: Sequence[str],
    overrides: Sequence[str],
    config: Mapping[str, Any],
    config_digest: str,
    data: Mapping[str, Any],
    determinism: Mapping[str, Any],
    seed: int,
    sources: Mapping[str, str],
    classes: Mapping[str, str],
    modules: Mapping[str, str],
    root: Path,
    redactor: Redactor,
) -> dict[str, Any]:
    """Return the manifest of a run that is about to start.

    Args:
        run_uid: the run's name on every machine.
        command: the program and its arguments.
        overrides: of the configuration, as typed.
        config: the composed configuration.
        config_digest: of all in it that can change the bits of a result.
        data: name of each data set to its path and sha256.
        determinism: the switches of the run.
        seed: of the run.
        sources: of classes that no file of a module holds, by the name of their module.
        classes: name to sha256 of each module of the task's lineage that is not shackdoo's own.
        modules: path to sha256 of each file of code that the task is made of.
        root: the project whose code is run.
        redactor: hides the run's secrets.

    Returns:
        JSON-ready and without secrets; ``redacted`` names the keys of ``config`` that had one.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "run_uid": run_uid,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "command": redactor.value(list(command)),
        "overrides": redactor.value(list(overrides)),
        "config": redactor.value(config),
        "redacted": redactor.hidden_keys(config),
        "config_digest": config_digest,
        "code": {
            **code_state(root),
            "sources": _sources(sources, redactor),
            "classes": dict(classes),
            "modules": dict(modules),
        },
        "data": {name: dict(entry) for name, entry in data.items()},
        "environment": environment.describe(root, redactor),
        "machine": machine.describe(),
        "determinism": dict(determinism),
        "seed": seed,
    }


def _sources(sources: Mapping[str, str], redactor: Redactor) -> dict[str, str]:
    # Without the secrets that are known; to hide every `token = …` would leave no source.
    return {name: redactor.known(text) for name, text in sources.items()}


def write_manifest(manifest: Mapping[str, Any], path: Path) -> None:
    """Write the manifest as JSON, readable by its owner only; the file is whole or absent."""
    part = path.with_name(f".{path.name}.part")
    part.touch(mode=0o600)
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    # Names of files and arguments may be no UTF-8; a backslash makes them JSON's \udcXX.
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(path)
