"""A copy of the code where no commit tells it; secrets in it stay on the machine."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from shackdoo.provenance.code import PACKAGE
from shackdoo.provenance.redact_diff import redact_file
from shackdoo.provenance.snapshot import ZIP, snapshot

FILES = {"mine/task.py": b"x = 1\n", "shackdoo/task.py": b"", "__main__": b"y = 1\n"}


def project(root: Path) -> Path:
    for name in ("conf/task/Mine.yaml", "conf/local/default.yaml", "data/raw/a.yaml", "MLproject"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "requirements.lock").write_text("")
    return root


def names(content: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_it_has_what_the_run_is_made_of_and_is_the_same_each_time(tmp_path: Path) -> None:
    content = snapshot(project(tmp_path), FILES)
    assert names(content) == [
        "MLproject",
        "conf/task/Mine.yaml",
        "mine/task.py",
        "requirements.lock",
    ]
    for path in tmp_path.rglob("*"):
        path.touch()
    assert snapshot(tmp_path, FILES) == content


def test_of_a_checkout_it_has_the_whole_package() -> None:
    found = names(snapshot(PACKAGE.parent, {}))
    assert {"shackdoo/cli.py", "shackdoo/report/texts/en.yaml", "conf/train.yaml"} <= set(found)
    assert not [name for name in found if "__pycache__" in name]


def test_it_is_shipped_only_without_a_secret(tmp_path: Path) -> None:
    source, target = tmp_path / hashlib.sha256().hexdigest(), tmp_path / "out" / ZIP
    target.parent.mkdir()
    source.write_bytes(snapshot(project(tmp_path), FILES))
    redact_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    leaky = {**FILES, "mine/task.py": b'x = 1\npassword = "hunter2-and-more"\n'}
    source.write_bytes(snapshot(tmp_path, leaky))
    redact_file(source, target)
    assert target.read_text() == (
        "# Secrets were taken out of this file, so it can't be applied as it is:\n"
        "# mine/task.py:2  Secret Keyword\n"
    )
