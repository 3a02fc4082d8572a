from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shackdoo.config.project import PACKAGE, Project

Make = Callable[..., Project]
CHECKOUT = PACKAGE.parent


@pytest.fixture
def own(tmp_path: Path) -> Make:
    """Return a function that makes a project with the given files under its ``conf``."""

    def make(files: dict[str, str | bytes] | None = None) -> Project:
        root = tmp_path / "it's a ü"  # names of folders that need care in Hydra's grammar
        (root / "conf").mkdir(parents=True)
        for name, content in (files or {}).items():
            path = root / "conf" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Project(root, CHECKOUT)

    return make


@pytest.fixture
def shipped() -> Project:
    return Project(CHECKOUT, CHECKOUT)
