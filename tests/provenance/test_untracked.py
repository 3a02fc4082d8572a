"""Which files that git does not track are kept with a run, and how."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from shackdoo.provenance.untracked import MAX_FILE, MOST, OUTPUT, keep_file, sort_untracked


def test_code_comes_first_where_there_is_not_room_for_all(tmp_path: Path) -> None:
    blobs = [f"a{n}.bin" for n in range(10)]
    for name in blobs:
        (tmp_path / name).write_bytes(bytes(MAX_FILE))
    (tmp_path / "z.py").write_text("x = 1")
    found = sort_untracked(tmp_path, [*blobs, "z.py"])
    assert found.kept == ("z.py", *blobs[:9])
    assert found.left_out == {"a9.bin": "all of them have more than 10 MB"}


def test_what_runs_leave_behind_is_none_of_the_code(tmp_path: Path) -> None:
    names = ["sub/data/report/page.html", "sub/mlflow.db", "data/notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = sort_untracked(tmp_path, names, "sub/")
    assert found.kept == ("data/notes.txt",)
    assert set(found.left_out.values()) == {OUTPUT}


def test_no_more_than_so_many_and_none_of_an_odd_name(tmp_path: Path) -> None:
    names = [f"{n:04}.txt" for n in range(MOST + 1)]
    for name in [*names, "-rf", "a\\b", "line\nbreak"]:
        (tmp_path / name).touch()
    found = sort_untracked(tmp_path, [*names, "-rf", "a\\b", "line\nbreak"])
    assert len(found.kept) == MOST
    assert found.left_out == {
        names[-1]: f"they are more than {MOST}",
        **dict.fromkeys(
            ("-rf", "a\\b", "line\nbreak"), "it has a name that can't be put back safely"
        ),
    }


def test_a_copy_keeps_content_and_mode(tmp_path: Path) -> None:
    source, target = tmp_path / "run.sh", tmp_path / "kept" / "日本" / ("n" * 250 + ".sh")
    source.write_bytes(b"\0\xff")
    source.chmod(0o755)
    assert keep_file(source, target) == hashlib.sha256(b"\0\xff").hexdigest()
    assert target.read_bytes() == b"\0\xff"
    assert os.access(target, os.X_OK)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert [path.name for path in target.parent.iterdir()] == [target.name]
