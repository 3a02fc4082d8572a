from __future__ import annotations

import os
from pathlib import Path

import pytest

from shackdoo.config.project import PACKAGE, Project, find_project, load_dotenv
from shackdoo.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHACKDOO_ROOT", raising=False)
    monkeypatch.delenv("SHACKDOO_STATE", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "MLproject").touch()
    return tmp_path


def test_nearest_parent_with_mlproject_and_conf(root: Path) -> None:
    below = root / "a" / "b"
    below.mkdir(parents=True)
    (root / "a" / "conf").mkdir()  # conf alone makes no project
    assert find_project(below) == Project(root, PACKAGE.parent)


def test_elsewhere_the_checkout_is_the_project(tmp_path: Path) -> None:
    assert find_project(tmp_path).root == PACKAGE.parent


def test_variable_wins(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "conf").mkdir()
    monkeypatch.setenv("SHACKDOO_ROOT", str(other))
    assert find_project(root).root == other


@pytest.mark.parametrize(("name", "what"), [("", "has no conf/ in it"), ("nope", "is no folder")])
def test_variable_that_names_no_project(
    name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHACKDOO_ROOT", str(tmp_path / name))
    with pytest.raises(ConfigError, match=rf"SHACKDOO_ROOT is '.*', which {what}\. Set it"):
        find_project()


def test_own_file_comes_before_the_shipped_one(tmp_path: Path) -> None:
    own, bundle = tmp_path / "own", tmp_path / "bundle"
    for folder in (own, bundle):
        (folder / "conf").mkdir(parents=True)
    (bundle / "data").touch()
    project = Project(own, bundle)
    assert project.conf_dirs == (own / "conf", bundle / "conf")
    assert project.find("data") == bundle / "data"
    assert project.find("new") == own / "new"
    (own / "data").touch()
    assert project.find("data") == own / "data"
    assert project.find("/etc/hosts") == Path("/etc/hosts")


def test_no_conf_folder_twice(root: Path) -> None:
    assert Project(root, root).conf_dirs == (root / "conf",)


def test_state_folder(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Project(root, root).state_dir().name == "shackdoo"
    monkeypatch.setenv("SHACKDOO_STATE", str(tmp_path / "state"))
    assert Project(root, root).state_dir() == tmp_path / "state"
    assert not (tmp_path / "state").exists()


def test_dotenv_never_overrides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_TEST_SET", "before")
    monkeypatch.setenv("CONFIG_TEST_NEW", "")  # so that it is restored afterwards
    monkeypatch.delenv("CONFIG_TEST_NEW")
    (root / ".env").write_text("CONFIG_TEST_SET=after\nexport CONFIG_TEST_NEW='x y'\n# note\n")
    load_dotenv(Project(root, root))
    assert os.environ["CONFIG_TEST_SET"] == "before"
    assert os.environ["CONFIG_TEST_NEW"] == "x y"


def test_dotenv_of_some_names(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG_TEST_ONE", "OTHER_TEST_ONE"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards
        monkeypatch.delenv(name)
    (root / ".env").write_text("CONFIG_TEST_ONE=1\nOTHER_TEST_ONE=1\n")
    load_dotenv(Project(root, root), prefix="CONFIG_")
    assert os.environ["CONFIG_TEST_ONE"] == "1"
    assert "OTHER_TEST_ONE" not in os.environ


def test_dotenv_with_a_bad_line(root: Path) -> None:
    (root / ".env").write_text("A_TEST=1\nthis is not = a 'line\n")
    with pytest.raises(ConfigError, match=r"\.env:2: 'this is not = a 'line' is no NAME=value"):
        load_dotenv(Project(root, root))


def test_dotenv_that_is_not_utf8(root: Path) -> None:
    (root / ".env").write_bytes(b"A=\xe9\n")
    with pytest.raises(ConfigError, match=r"\.env can't be read: .*Write it as UTF-8 text"):
        load_dotenv(Project(root, root))
