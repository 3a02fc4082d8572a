"""What a user may call an input, and what is said when it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shackdoo.catalog.inputs.arrays import ArrayFile
from shackdoo.catalog.inputs.batch import Inputs
from shackdoo.catalog.inputs.json_lines import JsonLines
from shackdoo.catalog.inputs.open import Wanted, open_inputs
from shackdoo.catalog.inputs.pictures import PictureFiles
from shackdoo.catalog.inputs.tables import Table
from shackdoo.errors import RequestError


def opened(name: object) -> Inputs:
    wanted = Wanted(str(name), None, None, frozenset())

    def from_catalog(name: str) -> Inputs:
        raise LookupError(name)

    return open_inputs(wanted, ["mnist"], from_catalog)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.PNG", "c.jpg"):
        (tmp_path / name).write_bytes(b"")
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (tmp_path / "l.jsonl").write_text("[1]\n")
    return tmp_path


def test_the_ending_decides(folder: Path) -> None:
    kinds = {"a.png": PictureFiles, "b.PNG": PictureFiles, "x.npy": ArrayFile, "t.csv": Table}
    for name, kind in {**kinds, "l.jsonl": JsonLines}.items():
        assert isinstance(opened(folder / name), kind)
    assert isinstance(opened("-"), JsonLines)


def test_a_folder_and_a_pattern(folder: Path) -> None:
    assert opened(folder).count == 6  # whatever is no picture is refused by name
    assert opened(folder / "*.png").count == 1
    assert opened(folder / "[ac].*").count == 2


def test_a_name_of_the_catalog_comes_before_nothing_but_not_before_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(LookupError, match="mnist"):
        opened("mnist")
    (folder / "mnist").mkdir()
    with pytest.raises(
        RequestError, match=r"a name in the catalog and a file here\. Write ./mnist"
    ):
        opened("mnist")
    (folder / "mnist" / "a.png").write_bytes(b"")
    assert opened("./mnist").count == 1


def test_what_is_not_there_is_told_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as error:
        opened("mnits")
    assert str(error.value).startswith(
        "No input 'mnits': no such file or folder, and no such name in the catalog. Did you mean "
        "'mnist'? The catalog has: mnist. An input is a picture (PNG, JPEG"
    )
    with pytest.raises(RequestError, match=r"The folder '.*' has no files"):
        opened(tmp_path)
    with pytest.raises(RequestError, match=r"The pattern '.*\*\.png' has no files"):
        opened(tmp_path / "*.png")
    (tmp_path / "notes.md").write_text("hello")
    with pytest.raises(RequestError, match=r"Nothing here reads '.*notes\.md': its ending '\.md'"):
        opened(tmp_path / "notes.md")
