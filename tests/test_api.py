"""What the package offers to Python, used as a script uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

import shackdoo
from shackdoo.errors import RequestError
from shackdoo.task import Task
from shackdoo.tasks.mnist import Mnist_A

SCRIPT = '''
"""A script with a task of its own."""
import json, sys
import numpy as np
from pydantic import PositiveInt
import shackdoo
from shackdoo.errors import RunError
from shackdoo.tasks.mnist import Mnist_A

assert not {"tensorflow", "mlflow", "pandas"} & set(sys.modules)


class Wide(Mnist_A):
    """A wide layer."""

    class Parameters(Mnist_A.Parameters):
        hidden_units: PositiveInt

    def build_model(self):
        import keras

        units = self.parameters.hidden_units
        layers = [keras.layers.Flatten(), keras.layers.Rescaling(1 / 255)]
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(10)]
        return keras.Sequential([keras.Input((28, 28), dtype="uint8"), *layers])


class Broken(Wide):
    """It does not build."""

    def build_model(self):
        raise ValueError("no model today")


experiment = shackdoo.compose(Wide, hidden_units=32, max_steps_per_epoch=60, seed=3)
raw = experiment.task.fetch_data()
dataset = experiment.task.preprocessing_train(raw)
run = shackdoo.train(experiment)
other = shackdoo.train("Mnist_A", "optimizer=sgd", max_steps_per_epoch=20)
try:
    shackdoo.train(Broken, hidden_units=1)
except RunError as error:
    failed, cause = str(error), type(error.__cause__).__name__
answers = shackdoo.load(run).predict(255 - dataset.test.inputs[:500])
by_class = shackdoo.load(run.uid[:8], task=Wide).predict(dataset.test.inputs[:500])
table = shackdoo.runs()
print("RESULT" + json.dumps({
    "repr": [repr(experiment), repr(run)[:13]],
    "metrics": run.metrics,
    "history": {name: len(values) for name, values in run.history.items()},
    "right": float(np.mean(answers["label"] == dataset.test.targets[:500])),
    "same": bool((answers["label"] == by_class["label"]).all()),
    "failed": failed, "cause": cause,
    "tasks": table["task"].tolist(),
    "statuses": table["status"].tolist(),
    "kinds": sorted(set(table["kind"])),
    "columns": list(table),
    "only": shackdoo.runs(task="Mnist_A")["task"].tolist(),
    "uid": run.uid,
}))
'''


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("api")
    root = folder / "project"
    (root / "conf").mkdir(parents=True)
    (root / "MLproject").write_text("name: own\n")
    script = folder / "experiment.py"
    script.write_text(SCRIPT)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {"SHACKDOO_ROOT": str(root), "SHACKDOO_STATE": str(folder / "state")}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    (line,) = (text for text in done.stdout.splitlines() if text.startswith("RESULT"))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    manifest = folder / "state" / "runs" / found["uid"] / "files" / "manifest.json"
    return {**found, "manifest": json.loads(manifest.read_text())}


def test_a_class_of_the_script_trains_under_its_own_name(result: dict[str, Any]) -> None:
    assert result["repr"] == [
        "<Experiment mnist > Wide: Wide < Mnist_A < Task>",
        f"<Run {result['uid'][:8]}"[:13],
    ]
    assert result["metrics"]["test_accuracy"] > 0.7
    assert result["history"]["val_accuracy"] == 1
    (source,) = result["manifest"]["code"]["sources"].values()
    assert "class Wide(Mnist_A):" in source
    assert "class Broken" not in source


def test_its_model_answers_with_the_preprocessing_of_the_task(result: dict[str, Any]) -> None:
    assert result["right"] > 0.7  # dark on light, which training never saw
    assert result["same"]


def test_a_run_that_fails_raises_what_failed_and_is_on_record(result: dict[str, Any]) -> None:
    assert result["failed"].endswith("has failed: no model today")
    assert result["cause"] == "ValueError"
    assert result["statuses"] == ["FAILED", "FINISHED", "FINISHED"]


def test_runs_are_a_table_the_newest_first(result: dict[str, Any]) -> None:
    assert result["tasks"] == ["Broken", "Mnist_A", "Wide"]
    assert result["kinds"] == ["train"]
    assert result["only"] == ["Mnist_A"]
    assert {"experiment", "status", "start", "test_accuracy"} <= set(result["columns"])
    assert any("max_steps_per_epoch" in name for name in result["columns"])


def test_values_are_parameters_of_the_task_or_keys_of_the_configuration() -> None:
    experiment = shackdoo.compose(
        "Mnist_B", epochs=4, seed=9, optimizer__learning_rate=0.5, tag="it's 100 %"
    )
    config = experiment.config
    assert config.task.parameters["epochs"] == 4
    assert (config.seed, config.optimizer.learning_rate, config.tag) == (9, 0.5, "it's 100 %")
    assert "learning_rate: 0.5" in experiment.to_yaml()
    assert isinstance(experiment.task, Mnist_A)


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        ("Mnits_B", {}, "no task 'Mnits_B'. Did you mean 'Mnist_B'?"),
        ("Mnist_B", {"batch_sise": 3}, "no key 'batch_sise' in task.parameters. Did you mean"),
        ("Mnist_B", {"epochs": 0}, "task.parameters.epochs is 0, but must be greater than 0"),
        ("Mnist_B", {"seed": {1}}, "seed is {1}, which a configuration can't hold: give text"),
        (int, {}, "<class 'int'> is no task: give a name under conf/task, or a Task class."),
        (type("Alone", (Task,), {}), {}, "Neither Alone nor one of its parents has a file under"),
    ],
)
def test_a_mistake_is_told_at_once(task: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as error:
        shackdoo.compose(task, **values)
    assert message in str(error.value)


def test_what_is_composed_takes_no_more_overrides() -> None:
    experiment = shackdoo.compose("Mnist_B")
    with pytest.raises(RequestError, match="is composed already takes no overrides"):
        shackdoo.train(experiment, seed=1)


def test_nested_values_come_through() -> None:
    tags = {"note": "two words, 日本語", "who": "me"}
    assert dict(shackdoo.compose("Mnist_B", tags=tags).config.tags) == tags


def test_the_package_offers_four_functions_and_nothing_else() -> None:
    assert shackdoo.__all__ == ["compose", "load", "runs", "train"]
    assert set(shackdoo.__all__) <= set(dir(shackdoo))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        shackdoo.trian  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'keras', 'mlflow', 'matplotlib', 'pandas', 'hydra'}"
    code = f"import sys, shackdoo; shackdoo.__dir__(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
