"""The environment lists the packages that are imported, at the versions that are imported."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from shackdoo.provenance import environment
from shackdoo.provenance.secrets import Redactor

NOTHING = Redactor((), {})


def put(site: Path, folder: str, metadata: str | None) -> None:
    (site / folder).mkdir(parents=True)
    if metadata is not None:
        (site / folder / "METADATA").write_text(metadata)


def test_every_package_has_its_version(tmp_path: Path) -> None:
    packages = environment.describe(tmp_path, NOTHING)["packages"]
    assert len(packages) > 20
    assert packages == {name: version(name) for name in packages}


def test_a_shadowed_package_is_not_the_one_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "numpy-0.1.dist-info", "Name: numpy\nVersion: 0.1\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert environment.describe(tmp_path, NOTHING)["packages"]["numpy"] == version("numpy")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert environment.describe(tmp_path, NOTHING)["packages"]["numpy"] == "0.1"


def test_remains_of_an_uninstalled_package_and_its_prose_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "~gone-1.dist-info", None)
    put(tmp_path, "half-1.dist-info", "Name: half\n\nVersion: of what\n")
    put(tmp_path, "whole-1.dist-info", "Name: whole\nVersion: 1\n\nName: prose\nVersion: 9\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert environment.describe(tmp_path, NOTHING)["packages"] == {"whole": "1"}


def test_lock_files_are_recorded_by_digest(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert environment.describe(tmp_path, NOTHING)["lock"] == {"requirements.lock": empty}
