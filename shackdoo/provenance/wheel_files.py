"""Files of installed packages, compared with the digests that their wheels have of them."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from shackdoo.provenance.packages import normalized

METHOD = "sha256="
ABOUT = ".dist-info"


def altered(sites: Sequence[Path], since: float | None = None) -> list[str]:
    """Return the packages of which a file is gone, or is not the one that was in the wheel.

    Args:
        sites: folders that packages are installed in.
        since: seconds since 1970; files that were not written later are not read. None: all are.

    Returns:
        Their normalized names.
    """
    folders = [folder for site in sites for folder in sorted(site.glob(f"*{ABOUT}"))]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(partial(_is_altered, since=since), folders))
    names = (folder.name.removesuffix(ABOUT).rpartition("-")[0] for folder in folders)
    return [normalized(name) for name, bad in zip(names, found, strict=True) if bad]


def _is_altered(about: Path, since: float | None) -> bool:
    try:
        with (about / "RECORD").open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.reader(lines) if len(row) == 3]
        return any(_differs(about.parent / path, told, since) for path, told, _ in rows)
    except OSError:
        return True


def _differs(path: Path, told: str, since: float | None) -> bool:
    if not told.startswith(METHOD) or (since is not None and path.stat().st_mtime <= since):
        return False
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != told.removeprefix(METHOD)
