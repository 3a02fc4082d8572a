"""scripts/train.py and infer.py: with the packages, with another interpreter, and with none."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """A Python without any package."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(params=["train", "infer"])
def script(checkout, request) -> Path:
    return checkout / "scripts" / f"{request.param}.py"


def test_it_is_the_command_of_its_name(script):
    outputs = [
        subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        for command in (
            [sys.executable, script],
            [sys.executable, "-m", "shackdoo.cli", script.stem],
        )
    ]
    assert outputs[0] == outputs[1] != ""


def test_without_packages_it_says_what_to_run(script, bare_python):
    done = subprocess.run([bare_python, script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {bare_python} lacks shackdoo's packages. Run 'make install' in "
        f"{script.parents[1]}.\n"
    )


def test_without_packages_it_takes_the_checkout_s_environment(script, bare_python):
    python = script.parents[1] / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    try:
        python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        python.chmod(0o755)
        done = subprocess.run(
            [bare_python, script, "task=A B", "seed=1"], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [str(script), "task=A B", "seed=1"]
    finally:
        python.unlink()
        python.parent.rmdir()
        python.parent.parent.rmdir()
