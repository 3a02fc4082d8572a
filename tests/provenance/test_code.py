"""The code of a task is all that it takes to make the task elsewhere."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import shackdoo
from shackdoo.provenance.code import as_zip, task_code
from shackdoo.tasks.mnist import Mnist_B

FILES = {
    "own/__init__.py": "",
    "own/tasks.py": (
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "import json\n"
        "from shackdoo.tasks.mnist import Mnist_A\n"
        "from . import layers\n"
        "from own.sub.deep import DEEP\n"
        "if TYPE_CHECKING:\n    import unseen\n"
        "class Own(Mnist_A):\n"
        "    def build_model(self):\n"
        "        import tensorflow as tf\n"
        "        import beside\n"
    ),
    "own/layers.py": "import PIL.Image\n",
    "own/sub/__init__.py": "from .. import layers\n",
    "own/sub/deep.py": "DEEP = 1\n",
    "own/unused.py": "",
    "beside.py": "from own import tasks\n",
    "unseen.py": "",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A task's class in a package of the user's."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from own.tasks import Own  # type: ignore[import-not-found]

    yield Own
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        del sys.modules[name]


def test_what_a_task_imports_from_its_folder_comes_along(own: Any) -> None:
    code = task_code(own)
    users = {path: text.decode() for path, text in code.files.items() if "shackdoo/" not in path}
    assert users == {
        name: text for name, text in FILES.items() if name not in ("own/unused.py", "unseen.py")
    }
    assert code.module == "own.tasks"
    assert code.imports == {"tensorflow", "PIL"}


def test_shackdoo_s_package_comes_whole_without_bytecode() -> None:
    files = task_code(Mnist_B).files
    root = Path(shackdoo.__file__).parents[1]
    there = {path.relative_to(root).as_posix() for path in (root / "shackdoo").rglob("*.py")}
    assert set(files) == there
    assert files["shackdoo/errors.py"] == (root / "shackdoo" / "errors.py").read_bytes()


def test_the_same_files_give_the_same_bytes() -> None:
    files = {"b.py": b"2", "a/c.py": b"1"}
    packed = as_zip(files)
    assert packed == as_zip(dict(reversed(files.items())))
    archive = zipfile.ZipFile(io.BytesIO(packed))
    assert {name: archive.read(name) for name in archive.namelist()} == files


def test_a_class_of_a_script_gets_a_module_and_brings_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("import scipy\nFACTOR = 2\n")
    (tmp_path / "run.py").write_text(
        "from beside import FACTOR\n"
        "from shackdoo.tasks.mnist import Mnist_A\n"
        "class Mine(Mnist_A):\n"
        "    factor = FACTOR\n"
        "from shackdoo.provenance.code import task_code\n"
        "code = task_code(Mine)\n"
        "own = [path for path in code.files if not path.startswith('shackdoo/')]\n"
        "print(code.module, sorted(own), sorted(code.imports))\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "run.py"], capture_output=True, text=True, check=True
    )
    module = done.stdout.split()[0]
    assert module.startswith("task_")
    assert done.stdout == f"{module} ['beside.py', '{module}.py'] ['scipy']\n"
