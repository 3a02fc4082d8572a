"""A run of the image is reproduced in that image, and is the same to the bit."""

from __future__ import annotations

import pytest
from persons import Person
from store_reader import runs_of

pytestmark = pytest.mark.docker
SHORT = "task.parameters.max_steps_per_epoch=5"
IDENTICAL = "identical: weights, predictions and metrics are bit-identical"


def test_by_mlflow_run_in_a_container_then_reproduced_in_its_image(person: Person) -> None:
    code, said = person.mlflow_run(overrides=SHORT)
    assert code == 0, said
    store = f"sqlite:///{person.clone / 'mlflow.db'}"
    (run,) = runs_of(store)
    (person.clone / "shackdoo" / "tasks" / "mnist.py").unlink()  # the tree has gone on
    command = ["python", "-m", "shackdoo.cli", "reproduce", run["tags"]["shackdoo.run_uid"]]
    code, said = person.run(*command)
    assert code == 0, said
    assert IDENTICAL in said
    assert "packages  those of the image" in said
    assert person.not_owned() == []
