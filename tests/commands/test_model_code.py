"""What a model is logged with: the code and the configuration of its task, and no secret."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.checking import check
from shackdoo.commands.model_code import ModelCode, keep_code
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.provenance.code import collect

SECRET = "a-Value-that-is-Secret"
YAML = """# @package _global_
defaults: [Mnist_A, _self_]
task: {{name: Mine, _target_: {module}.Mine, parameters: {{api_key: {key}}}}}
"""
TASK = f"""import scipy
from shackdoo.tasks.mnist import Mnist_A

WHERE = "https://host/?key={SECRET}"


class Mine(Mnist_A):
    class Parameters(Mnist_A.Parameters):
        api_key: {{kind}}
"""

Keep = Callable[[str, str, str], tuple[ModelCode | None, list[str]]]


@pytest.fixture
def keep(own_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Keep the code of a task whose parameter ``api_key`` has a type and a value."""
    monkeypatch.setenv("MY_API_KEY", SECRET)

    def run(module: str, kind: str, key: str) -> tuple[ModelCode | None, list[str]]:
        (own_project / f"{module}.py").write_text(TASK.format(kind=kind))
        yaml = YAML.format(module=module, key=key)
        (own_project / "conf" / "task" / "Mine.yaml").write_text(yaml)
        monkeypatch.syspath_prepend(own_project)
        project = find_project()
        checked = check(compose("train", ["task=Mine"], project), project)
        notices: list[str] = []

        def write(name: str, content: bytes) -> Path:
            (tmp_path / name).write_bytes(content)
            return tmp_path / name

        code = collect(type(checked.task))
        return keep_code(checked, code, checked.redactor(), write, notices.append), notices

    return run


def test_it_has_no_secret_and_all_that_makes_the_task(keep: Keep) -> None:
    code, notices = keep("mine_with_text", "str", SECRET)
    assert code is not None
    assert notices == []
    archive = zipfile.ZipFile(code.path)
    contents = {name: archive.read(name) for name in archive.namelist()}
    assert all(SECRET.encode() not in content for content in contents.values())
    assert b"key=***" in contents["mine_with_text.py"]
    description: dict[str, Any] = json.loads(contents["task.json"])
    assert description["module"] == "mine_with_text"
    assert description["class"] == "Mine"
    assert description["config"]["task"]["parameters"]["api_key"] == "***"
    assert [pin.partition("==")[0] for pin in code.requirements] == ["pydantic", "pillow", "scipy"]


def test_a_task_that_its_secrets_are_needed_for_is_told_of_and_left_out(keep: Keep) -> None:
    code, notices = keep("mine_with_number", "int", "1234567")
    assert code is None
    assert notices == [
        "the model will be logged without its task, as the bare Keras model: without its secrets "
        "the configuration is none"
    ]
