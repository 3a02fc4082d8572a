"""What killed reproductions leave is removed by the next command, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from shackdoo.commands.left_reproductions import (
    FOLDER,
    clear_left_reproductions,
    note_child,
    scratch_folder,
)

WORKS = """
import pathlib, psutil, sys, subprocess, time
from shackdoo.commands.left_reproductions import note_child, scratch_folder
with scratch_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "tree").mkdir()
    child = subprocess.Popen(["sleep", "600"])
    note_child(folder, psutil.Process(child.pid))
    print(child.pid, flush=True)
    time.sleep(600)
"""


def test_the_folder_goes_with_its_reproduction(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        (folder / "tree").mkdir()
        clear_left_reproductions(tmp_path)  # it is at work
        assert (folder / "tree").is_dir()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_killed_one_is_cleared_away_with_its_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        (folder,) = (tmp_path / FOLDER).iterdir()
        clear_left_reproductions(tmp_path)
        assert child.is_running()
        process.kill()
    clear_left_reproductions(tmp_path)
    assert not folder.exists()
    gone, _ = psutil.wait_procs([child], timeout=5)
    assert gone or child.status() == psutil.STATUS_ZOMBIE
    assert f"removed what a killed reproduction had left in {folder}" in capsys.readouterr().err


def test_a_process_that_has_got_the_number_of_the_training_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        folder = tmp_path / FOLDER / "left"
        folder.mkdir(parents=True)
        (folder / "lock").touch()
        note_child(folder, psutil.Process(other.pid))
        noted = (folder / "child.json").read_text()
        started = psutil.Process(other.pid).create_time()
        (folder / "child.json").write_text(noted.replace(str(started), str(started - 9)))
        clear_left_reproductions(tmp_path)
        assert not folder.exists()
        time.sleep(0.1)
        assert other.poll() is None
        other.kill()
