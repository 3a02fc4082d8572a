"""Parts of a report lose their secrets and keep their pictures; a class's own code is found."""

from __future__ import annotations

from typing import Any

from shackdoo.commands.report_content import own_hooks, without_secrets
from shackdoo.provenance.secrets import Redactor
from shackdoo.tasks.mnist import Mnist_A, Mnist_B


def test_secrets_go_and_pictures_stay() -> None:
    redactor = Redactor.of({"api_key": "hunter2hunter2"}, {}, {})
    part: dict[str, Any] = {
        "kind": "mistakes",
        "total": 3,
        "examples": [{"true": "hunter2hunter2", "picture": "xx/hunter2hunter2"}],
        "rows": [["password=abcdefgh", 1.5, None]],
    }
    assert without_secrets(part, redactor) == {
        "kind": "mistakes",
        "total": 3,
        "examples": [{"true": "***", "picture": "xx/hunter2hunter2"}],
        "rows": [["password=***", 1.5, None]],
    }


def test_what_a_class_itself_defines() -> None:
    assert own_hooks(Mnist_B) == []
    assert {"Parameters", "build_model", "loss", "augment"} <= set(own_hooks(Mnist_A))
