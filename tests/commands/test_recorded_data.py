"""The data of a recorded run are found by their digest, wherever they lie, or fetched."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.recorded_data import place_data
from shackdoo.config.project import Project
from shackdoo.errors import IngredientError, RequestError

CONTENT = b"digits"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def manifest(path: Path | str = "/nowhere", **entry: Any) -> dict[str, Any]:
    one = {"layer": "raw", "file": "data/raw/a.npy", "format": "npy", "sha256": None, **entry}
    return {
        "data": {"a": {"path": str(path), "sha256": DIGEST}},
        "config": {"catalog": {"a": {"source": None, **one}}},
    }


def put(root: Path, content: bytes = CONTENT) -> Path:
    file = root / "data" / "raw" / "a.npy"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Project:
    (tmp_path / "tree").mkdir()
    return Project(tmp_path / "tree", tmp_path / "bundle")


def test_in_the_tree(tree: Project) -> None:
    put(tree.root)
    assert place_data(manifest(), tree, []).lines == ["a: in the tree"]


def test_that_of_a_project_nearby_is_linked(tree: Project, tmp_path: Path) -> None:
    near = Project(tmp_path / "near", tmp_path / "bundle")
    file = put(near.root)
    put(tree.root, b"a pointer of some kind")
    assert place_data(manifest(), tree, [near]).lines == [f"a: that of {near.root}"]
    assert (tree.root / "data" / "raw" / "a.npy").resolve() == file


def test_at_the_recorded_path(tree: Project, tmp_path: Path) -> None:
    file = put(tmp_path / "moved")
    assert place_data(manifest(file), tree, []).lines == [f"a: {file}"]
    assert (tree.root / "data" / "raw" / "a.npy").read_bytes() == CONTENT


def test_fetched_from_its_source(tree: Project, tmp_path: Path) -> None:
    source = put(tmp_path / "server").as_uri()
    assert place_data(manifest(source=source, sha256=DIGEST), tree, []).lines == [
        f"a: fetched from {source}"
    ]


def test_gone(tree: Project) -> None:
    with pytest.raises(IngredientError) as told:
        place_data(manifest(), tree, [])
    assert str(told.value) == (
        f"The data 'a' of the run (sha256 {DIGEST[:12]}…) can't be had: it is not on this machine, "
        f"and its catalog entry names no source."
    )


def test_one_byte_of_it_has_changed(tree: Project) -> None:
    put(tree.root, b"digitz")
    with pytest.raises(IngredientError, match=r"data/raw/a\.npy has another content now, and its"):
        place_data(manifest(), tree, [])


def test_its_source_gives_another_file_now(tree: Project, tmp_path: Path) -> None:
    source = put(tmp_path / "server", b"digitz").as_uri()
    with pytest.raises(IngredientError, match="gives now is another file, sha256 "):
        place_data(manifest(source=source), tree, [])


def test_nothing_is_linked_through_a_link_of_the_tree(tree: Project, tmp_path: Path) -> None:
    near = Project(tmp_path / "near", tmp_path / "bundle")
    put(near.root)
    mine = put(tmp_path / "mine", b"mine")
    (tree.root / "data").symlink_to(tmp_path / "mine" / "data")
    with pytest.raises(RequestError, match="would be written through a link of the tree"):
        place_data(manifest(), tree, [near])
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("file", ["/tmp/shackdoo-evil.npy", "../evil.npy", "a/../../evil.npy"])
def test_nothing_is_fetched_to_a_place_outside_the_tree(
    tree: Project, tmp_path: Path, file: str
) -> None:
    source = put(tmp_path / "server").as_uri()
    with pytest.raises(IngredientError, match="is no file inside the project"):
        place_data(manifest(source=source, sha256=DIGEST, file=file), tree, [])
    assert not (tree.root / file).exists()


def test_nothing_is_fetched_before_it_may_be(tree: Project, tmp_path: Path) -> None:
    source = put(tmp_path / "server").as_uri()
    with pytest.raises(IngredientError, match="it would be fetched from file://"):
        place_data(manifest(source=source), tree, [], fetching=False)
