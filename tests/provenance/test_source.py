"""The source of a class is found wherever it was written, and is enough to make it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shackdoo.provenance.source import class_sources, missing_names, source_digests
from shackdoo.tasks.mnist import Mnist_B

SCRIPT = '''
from __future__ import annotations

import math
import re
from collections.abc import Mapping as Mapped, Sequence
from typing import TYPE_CHECKING

import numpy as np
from shackdoo.tasks.mnist import Mnist_A

if TYPE_CHECKING:
    import keras

UNITS = 2 * 8
NAMES = ("zero", "one")
DIGITS = re.compile(r"\\d+")
DATA = open(__file__)
DATA.close()


def decorated(cls):
    return cls


def scaled(x):
    return x * UNITS


def not_needed():
    raise SystemExit("run")


class Base(Mnist_A):
    """A parent."""

    def prepare(self, inputs):
        return scaled(super().prepare(inputs))


@decorated
class Mine(Base):
    """A task."""

    def class_names(self) -> Sequence[str]:
        return NAMES if DIGITS.match("1") else np.arange(math.floor(2))


class Reads(Base):
    def class_names(self):
        return DATA


if __name__ == "__main__":
    from shackdoo.provenance.source import class_sources, missing_names

    import json

    print(json.dumps([class_sources(Mine), missing_names(Mine), missing_names(Reads)]))
'''


@pytest.fixture
def script(tmp_path: Path) -> list[Any]:
    """What a script finds out about its own classes: sources and what is missing."""
    (tmp_path / "training.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "training.py"], capture_output=True, text=True, check=True
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_class_of_a_script_comes_with_what_it_uses_and_nothing_else(script: list[Any]) -> None:
    sources, missing, _ = script
    assert set(sources) == {"__main__"}
    text = sources["__main__"]
    assert missing == []
    assert "UNITS = 16" in text  # the value, not the sum
    for needed in ("def decorated", "@decorated\nclass Mine", "class Base", "import math", "NAMES"):
        assert needed in text
    for left_out in ("not_needed", "DATA", "__main__", "Reads", "print", "Mapped, Sequence\n\n\n"):
        assert left_out not in text


def test_the_source_of_a_script_s_class_makes_the_class(script: list[Any]) -> None:
    made: dict[str, Any] = {"__name__": "made"}
    exec(script[0]["__main__"], made)
    assert [each.__name__ for each in made["Mine"].lineage()] == ["Mine", "Base", "Mnist_A", "Task"]
    assert made["Mine"].class_names(None) == ("zero", "one")


def test_what_no_source_can_stand_for_is_named(script: list[Any]) -> None:
    assert script[2] == ["DATA"]


CELLS = (
    "from shackdoo.tasks.mnist import Mnist_A\nFACTOR = 2",
    "get_ipython().run_line_magic('time', '1')",
    "this is no Python",
    "class Mine(Mnist_A):\n    '''First.'''",
    "class Mine(Mnist_A):\n    '''Second.'''\n    def double(self, x):\n        return x * FACTOR",
)


def test_a_class_of_a_notebook_is_that_of_the_last_cell_that_defines_it() -> None:
    code = (
        "from shackdoo.provenance.source import class_sources, missing_names\n"
        f"In = {list(CELLS)!r}\n"
        "for cell in (In[0], In[4]): exec(cell, globals())\n"
        "print(class_sources(Mine)['__main__'], missing_names(Mine))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [
        "from shackdoo.tasks.mnist import Mnist_A",
        "",
        "FACTOR = 2",
        "",
        *CELLS[4].split("\n"),
        " ()",
        "",
    ]


def test_a_class_of_a_file_is_its_whole_file(tmp_path: Path, monkeypatch: Any) -> None:
    text = "from shackdoo.tasks.mnist import Mnist_A\n\n\nclass Whole(Mnist_A):\n    pass\n"
    (tmp_path / "whole_file_task.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import whole_file_task  # type: ignore[import-not-found]

    assert class_sources(whole_file_task.Whole) == {"whole_file_task": text}
    assert missing_names(whole_file_task.Whole) == ()


def test_shackdoo_s_own_classes_have_no_source_of_the_user_s() -> None:
    assert class_sources(Mnist_B) == {}


def test_a_class_that_was_made_from_text_has_none() -> None:
    made: dict[str, Any] = {"__name__": "from_nowhere"}
    exec("from shackdoo.task import Task\nclass Made(Task): pass", made)
    assert class_sources(made["Made"]) == {}
    assert missing_names(made["Made"]) == ("from_nowhere",)


def test_digests_tell_when_the_code_of_a_class_changes() -> None:
    one, other = source_digests({"mine": "a = 1\n"}), source_digests({"mine": "a = 2\n"})
    assert one.keys() == other.keys() == {"mine"}
    assert one != other
    assert len(one["mine"]) == 64
