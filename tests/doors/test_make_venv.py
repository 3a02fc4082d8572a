"""What scripts/make_venv.sh says on a machine that lacks something, and that it works on ours."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOO_OLD = "exit 1"
WITHOUT_VENV = 'case "$2" in *ensurepip*) exit 1;; esac'


def machine(folder: Path, **programs: str) -> str:
    """Return a PATH that holds basic tools and the given programs (shell code), no others."""
    folder.mkdir()
    for tool in ("sh", "dirname", "cat", "sed", "rm", "pwd"):
        (folder / tool).symlink_to(shutil.which(tool))
    for name, code in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{code}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def complaint(checkout: Path, path: str, **environment: str) -> str:
    done = subprocess.run(
        ["sh", "scripts/make_venv.sh", ".venv/installed"],
        cwd=checkout,
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert not (checkout / ".venv").exists()
    return done.stderr


def test_no_git(checkout, tmp_path):
    said = complaint(checkout, machine(tmp_path / "bin"))
    assert "git is missing" in said
    assert "apt-get install git" in said


def test_no_python(checkout, tmp_path):
    said = complaint(checkout, machine(tmp_path / "bin", git="exit 0"))
    assert "no Python from 3.11 to 3.13 found (looked for python3.13, python3.12, " in said
    assert "apt-get install python3 python3-venv" in said


def test_python_too_old(checkout, tmp_path):
    said = complaint(checkout, machine(tmp_path / "bin", git="exit 0", python3=TOO_OLD))
    assert "no Python from 3.11 to 3.13 found" in said


def test_the_python_that_was_asked_for_does_not_fit(checkout, tmp_path):
    path = machine(tmp_path / "bin", git="exit 0", python3="exit 0", python2=TOO_OLD)
    assert "(looked for python2)" in complaint(checkout, path, PYTHON="python2")


def test_no_venv_module(checkout, tmp_path):
    said = complaint(checkout, machine(tmp_path / "bin", git="exit 0", python3=WITHOUT_VENV))
    assert "python3 has no venv module" in said
    assert "apt-get install python3-venv" in said


@pytest.mark.slow
def test_make_install_from_a_clone(checkout):
    made = ["make", "install", f"PYTHON={sys.executable}", "MAKELEVEL=0"]
    try:
        subprocess.run(made, cwd=checkout, check=True, capture_output=True)
        again = subprocess.run(made, cwd=checkout, check=True, capture_output=True, text=True)
        assert "Nothing to be done" in again.stdout
        python = checkout / ".venv" / "bin" / "python"
        where = subprocess.run(
            [python, "-c", "import shackdoo; print(shackdoo.__file__)"],
            cwd=checkout.parent,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert where.strip() == str(checkout / "shackdoo" / "__init__.py")
        pip = [python, "-m", "pip", "list"]
        listed = subprocess.run(pip, check=True, capture_output=True, text=True).stdout
        assert "shackdoo " in listed
    finally:
        shutil.rmtree(checkout / ".venv", ignore_errors=True)
