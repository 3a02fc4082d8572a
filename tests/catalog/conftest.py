"""A project in a temporary folder and a catalog of one entry in it."""

import hashlib
from pathlib import Path

import pytest

from shackdoo.catalog import Catalog
from shackdoo.config.project import Project
from shackdoo.config.schema import CatalogEntry


@pytest.fixture
def make_catalog(tmp_path):
    """Return a function that makes a catalog with the entry ``digits`` from its keys."""

    def make(**keys) -> Catalog:
        entry = CatalogEntry(**{"layer": "raw", **keys})
        return Catalog({"digits": entry}, Project(tmp_path, tmp_path))

    return make


@pytest.fixture
def pinned(tmp_path, make_catalog):
    """Return a function that writes content to a file and makes a catalog that pins it."""

    def write(content: bytes, file_format: str = "pickle", file: str = "digits.pkl") -> Catalog:
        Path(tmp_path / file).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return make_catalog(file=file, format=file_format, sha256=sha256)

    return write
