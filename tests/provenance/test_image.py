"""What a container knows of its image, and of what goes with it."""

from pathlib import Path

import pytest

from shackdoo.provenance.image import is_lost, recipe


def test_outside_a_container_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHACKDOO_PROJECT", raising=False)
    assert not is_lost(Path("/somewhere/answers.csv"))


def test_in_a_container_what_lies_on_no_mount_is_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHACKDOO_PROJECT", str(tmp_path))
    assert is_lost(Path("/somewhere/answers.csv"))
    assert not is_lost(Path("/dev/answers.csv"))  # a mount on every system


def test_a_recipe_tells_its_files_apart(tmp_path: Path) -> None:
    assert recipe(tmp_path, "requirements.lock") is None
    (tmp_path / "docker").mkdir()
    for name in ("Dockerfile", "requirements.lock", "docker/entrypoint.sh"):
        (tmp_path / name).write_text(name)
    first = recipe(tmp_path, "requirements.lock")
    assert first is not None and len(first) == 64
    (tmp_path / "docker/entrypoint.sh").write_text("another")
    assert recipe(tmp_path, "requirements.lock") != first
