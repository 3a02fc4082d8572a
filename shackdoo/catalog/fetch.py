"""Download of one file: to a temporary name, checked, then moved to its own name.

The move is atomic, so that two processes that fetch the same file don't harm each other and a
file that was cut off is never seen.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from shackdoo.errors import CatalogError

SCHEMES = ("https", "http", "file")
TIMEOUT = 30.0  # seconds without an answer


def fetchable(url: str) -> bool:
    """Return whether :func:`fetch` knows how to get the URL."""
    return urlsplit(url).scheme in SCHEMES


def fetch(url: str, path: Path, sha256: str | None) -> None:
    """Fetch ``url`` to ``path``, whose folder is made if it isn't there.

    Args:
        url: an address of one of :data:`SCHEMES`.
        path: where the file goes; nothing changes there unless all went well.
        sha256: digest the file must have; None takes any.

    Raises:
        CatalogError: if the file can't be had or written, or has another digest.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = _copy if urlsplit(url).scheme == "file" else _http(pooch)
    known = f"sha256:{sha256}" if sha256 else None
    try:
        pooch.retrieve(url, known, path.name, path.parent, downloader=downloader)
        path.chmod(0o644)  # the temporary file was the owner's alone
    except (OSError, RequestException) as error:
        raise CatalogError(
            f"{url} can't be fetched to {path}: {error}. Check the address and the network, or "
            f"put the file there yourself."
        ) from None
    except ValueError:
        raise CatalogError(
            f"{url} isn't the file that was pinned: its sha256 is not {sha256}. Nothing was "
            f"kept. Correct source or sha256 in conf/catalog.yaml."
        ) from None


def _http(pooch: Any) -> Any:
    return pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=2**20)


def _copy(url: str, output: str, _: object) -> None:
    """Copy a ``file://`` URL; pooch has no downloader for these."""
    shutil.copyfile(url2pathname(urlsplit(url).path), output)
