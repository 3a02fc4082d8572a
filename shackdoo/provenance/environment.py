"""The software a run is computed with."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from shackdoo.provenance.secrets import Redactor

LOCKS = ("requirements.lock", "requirements-gpu.lock")
IMAGE = "SHACKDOO_IMAGE"  # set in our container images to their id
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # what can be installed by name
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
FIELD = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)
MATTERS = ("TF_", "XLA_", "KERAS_", "OMP_", "MKL_", "ONEDNN_", "CUDA_", "CUBLAS_", "PYTHONHASHSEED")


def describe(root: Path, redactor: Redactor) -> dict[str, Any]:
    """Return Python, every installed package with its version, lock files, image, variables."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "packages": installed_packages(),
        "lock": {name: _sha256(root / name) for name in LOCKS if (root / name).is_file()},
        "image": os.environ.get(IMAGE),
        "variables": redactor.value(
            {k: v for k, v in sorted(os.environ.items()) if k.startswith(MATTERS)}
        ),
    }


def digest(environment: Mapping[str, Any]) -> str:
    """Return the sha256 of Python and the packages of what :func:`describe` returns."""
    computed_with = [environment["python"], sorted(environment["packages"].items())]
    return hashlib.sha256(json.dumps(computed_with).encode()).hexdigest()


def installed_packages(path: list[str] | None = None) -> dict[str, str]:
    """Return every installed package with its version, by its name as it is written.

    Args:
        path: folders that are looked into; None for those of this interpreter.
    """
    found: dict[str, str] = {}
    for distribution in distributions(path=sys.path if path is None else path):
        # Only the two lines are read: a whole parse of some hundred files takes longer than git.
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        fields = dict(FIELD.findall(text.split("\n\n", 1)[0]))
        name, version = fields.get("Name", ""), fields.get("Version", "")
        if NAME.fullmatch(name) and VERSION.fullmatch(version):
            found.setdefault(name, version)  # the first is what gets imported
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
