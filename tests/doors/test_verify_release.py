"""scripts/verify_release.sh with a program in shackdoo's place, that says and does what we want."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# What a shipper does: it goes on after its command has ended, and writes where that wrote.
LATE = """mkdir "$SHACKDOO_STATE/late"; (for i in $(seq 20); do
    mkdir "$SHACKDOO_STATE/late/$i" || break  # it makes no folder anew that was removed
    sleep 0.05
done; touch {ended}) >/dev/null 2>&1 &"""
RUN = 'echo "run      0123abcd"'


def released(
    checkout: Path, tmp_path: Path, train: str = RUN, reproduce: str = "", sync: str = ""
) -> tuple[subprocess.CompletedProcess[str], list[Path]]:
    """Run the script in a tree of its own; return how it ended and the files it left."""
    tree, scratch = tmp_path / "tree", tmp_path / "scratch"
    scratch.mkdir()
    (tree / "scripts").mkdir(parents=True)
    shutil.copy(checkout / "scripts" / "verify_release.sh", tree / "scripts")
    (tree / ".gitignore").write_text(".venv/\n")
    fake = tree / ".venv" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        f'#!/bin/sh\nmkdir -p "$SHACKDOO_STATE"\ncase $3 in\ntrain) {train}\n;;\n'
        f"reproduce) {reproduce}\n;;\nsync) {sync}\n;;\nesac\n"
    )
    fake.chmod(0o755)
    someone = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    for words in (["init", "-q"], ["add", "."], [*someone, "commit", "-qm", "a release"]):
        subprocess.run(["git", *words], cwd=tree, check=True)
    done = subprocess.run(
        ["sh", "scripts/verify_release.sh"],
        cwd=tree,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
    )
    return done, list(scratch.iterdir())


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_verdict_is_the_answer_while_a_shipper_still_writes(checkout, tmp_path, code):
    ended = tmp_path / "ended"
    late = LATE.format(ended=ended)
    done, left = released(
        checkout,
        tmp_path,
        reproduce=f"{late}\necho verdict; exit {code}",
        sync=f"[ -e {ended} ] || exit 1",  # the run is in the shipper's hands
    )
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines() == ["run      0123abcd", "verdict"]
    assert left == []


def test_the_reproduction_is_in_the_store_before_all_is_removed(checkout, tmp_path):
    asked = tmp_path / "asked"
    busy = f'echo x >>{asked}; [ "$(wc -l <{asked})" -ge 3 ] || exit 1'
    done, left = released(checkout, tmp_path, sync=busy)
    assert done.returncode == 0, done.stderr
    assert asked.read_text().count("x") == 3
    assert left == []


def test_a_training_that_fails_is_not_reproduced(checkout, tmp_path):
    done, left = released(checkout, tmp_path, train="exit 1", reproduce="echo verdict")
    assert done.returncode == 1
    assert "verdict" not in done.stdout
    assert left == []


def test_a_tree_that_differs_from_its_commit_is_no_release(checkout, tmp_path):
    released(checkout, tmp_path)
    (tmp_path / "tree" / "new").touch()
    done = subprocess.run(
        ["sh", "scripts/verify_release.sh"], cwd=tmp_path / "tree", capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "A release is a commit: git commit, or git stash." in done.stderr
