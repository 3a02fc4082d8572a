"""The manifest: all a run is made of, captured before it starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shackdoo.provenance import environment, machine
from shackdoo.provenance.code import Collected
from shackdoo.provenance.git import Question, Repository
from shackdoo.provenance.image import told_by_image
from shackdoo.provenance.secrets import Redactor
from shackdoo.provenance.source import source_digests, unfiled
from shackdoo.provenance.untracked import is_code

SCHEMA_VERSION = 2
MANIFEST_SHA256 = "shackdoo.manifest_sha256"  # tag: of the manifest as it was at the close
MOST_UNTRACKED = 10_000  # names; in a home folder there is no end of them


class Capture:
    """Begins to ask other programs what a manifest needs; they work while the caller goes on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tree = Question(root)
        self._gpus = machine.GpuQuestion()

    def manifest(
        self,
        *,
        run_uid: str,
        command: Sequence[str],
        overrides: Sequence[str],
        config: Mapping[str, Any],
        config_digest: str,
        data: Mapping[str, Any],
        determinism: Mapping[str, Any],
        seed: int,
        code: Collected,
        redactor: Redactor,
    ) -> tuple[dict[str, Any], Repository]:
        """Return the manifest of a run that is about to start, and the tree that it is of.

        Args:
            run_uid: the run's name on every machine.
            command: the program and its arguments.
            overrides: of the configuration, as typed.
            config: the composed configuration.
            config_digest: of all in it that can change the bits of a result.
            data: name of each data set to its path and sha256.
            determinism: the switches of the run.
            seed: of the run.
            code: of the task's class.
            redactor: hides the run's secrets.

        Returns:
            The manifest is JSON-ready and without secrets; ``redacted`` names the keys of
            ``config`` that had one.
        """
        software = environment.describe(self.root, redactor)
        digests = code.digests()
        tree = self._tree.answer()
        found = {
            "schema_version": SCHEMA_VERSION,
            "run_uid": run_uid,
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "command": redactor.value(list(command)),
            "overrides": redactor.value(list(overrides)),
            "config": redactor.value(config),
            "redacted": redactor.hidden_keys(config),
            "config_digest": config_digest,
            "code": {**_state(self.root, tree), **_files(code, redactor), "modules": digests},
            "data": {name: dict(entry) for name, entry in data.items()},
            "environment": software,
            "machine": machine.describe(self._gpus.answer()),
            "determinism": dict(determinism),
            "seed": seed,
        }
        return found, tree


def _state(root: Path, tree: Repository) -> dict[str, Any]:
    state = told_by_image(root, tree.state)
    names = state["untracked"]
    if names is not None and len(names) > MOST_UNTRACKED:
        state["untracked"] = sorted(names, key=lambda name: not is_code(name))[:MOST_UNTRACKED]
    return state


def _files(code: Collected, redactor: Redactor) -> dict[str, Any]:
    """Return what is known of the task's files; nothing of them is kept yet."""
    # Without the secrets that are known; to hide every `token = …` would leave no source.
    sources = {name: redactor.known(text) for name, text in unfiled(code.sources).items()}
    return {
        "untracked_kept": {},
        "untracked_left_out": {},
        "snapshot_sha256": None,
        "sources": sources,
        "classes": source_digests(code.sources),
    }


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest as JSON."""
    # Names of files and arguments may be no UTF-8; a backslash makes them JSON's \udcXX.
    return json.dumps(manifest, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")


def write_manifest(manifest: Mapping[str, Any], path: Path) -> bytes:
    """Write the manifest, readable by its owner only; the file is whole or absent.

    Returns:
        What was written.
    """
    content = manifest_bytes(manifest)
    part = path.with_name(f".{path.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(path)
    return content
