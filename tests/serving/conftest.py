"""One trained run, shipped and registered, for all that is done with a model afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from program import Program

TASKS = '''"""A task of the user's own."""

from shackdoo.tasks.mnist import Mnist_A

from names import NAMES


class Named(Mnist_A):
    """Digits by their names."""

    def class_names(self):
        return NAMES
'''
NAMES = 'NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")\n'
TASK_YAML = """# @package _global_
defaults: [Mnist_A, _self_]
task:
  name: Named
  _target_: my_tasks.Named
  parameters: {epochs: 1, max_steps_per_epoch: 60}
"""
ANSWER = """
import sys, json
import numpy as np
from shackdoo.commands.checking import check
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from pathlib import Path
project = find_project()
checked = check(compose("train", ["task=Named"], project), project)
from shackdoo.predictor import Predictor
predictor = Predictor.load(checked.task, Path(sys.argv[1]), xla=False)
answers = predictor.predict(np.load(sys.argv[2]))
print(json.dumps({name: column.tolist() for name, column in answers.items()}))
"""


@dataclass(frozen=True)
class Trained:
    """A project with a finished run of the task ``Named``, registered as ``digits@champion``."""

    program: Program
    root: Path
    environment: Mapping[str, str]
    uri: str
    uid: str
    run_id: str
    model: Path
    keras_file: Path

    def shackdoo(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run the program in the project."""
        command = map(str, arguments)
        return self.program.run(*command, cwd=self.root, environment=self.environment)

    def python(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run Python in the project."""
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=self.root,
            env=self.environment,
        )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Trained:
    """The run; its training takes some seconds."""
    root = tmp_path_factory.mktemp("trained") / "project"
    (root / "conf" / "task").mkdir(parents=True)
    (root / "MLproject").write_text("name: own\n")
    (root / "my_tasks.py").write_text(TASKS)
    (root / "names.py").write_text(NAMES)
    (root / "conf" / "task" / "Named.yaml").write_text(TASK_YAML)
    left_out = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in left_out},
        "SHACKDOO_ROOT": str(root),
        "SHACKDOO_STATE": str(root.parent / "state"),
    }
    command = ["train", "task=Named", "register=digits@champion", "tracking.wait=120"]
    done = program.run(*command, cwd=root, environment=environment)
    assert done.returncode == 0, done.stderr
    uid = done.stdout.split()[-1]
    listed = program.run("runs", "--json", cwd=root, environment=environment)
    assert listed.returncode == 0, listed.stderr
    (run,) = json.loads(listed.stdout)
    assert run["shipped"]["done"]
    (model,) = root.glob("mlruns/*/models/*/artifacts")
    (keras_file,) = root.glob("data/model/*.keras")
    return Trained(
        program,
        root,
        environment,
        f"sqlite:///{root}/mlflow.db",
        uid,
        run["mlflow_run_id"],
        model,
        keras_file,
    )


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """Pictures of test digits, light on dark."""
    import gzip
    import pickle

    import shackdoo

    file = Path(shackdoo.__file__).parents[1] / "data" / "raw" / "mnist.pkl.gz"
    with gzip.open(file) as stream:
        _, (pictures, _) = pickle.load(stream, encoding="latin1")
    return np.asarray(pictures[:8]).reshape(8, 28, 28)


@pytest.fixture(scope="session")
def own_answers(
    trained: Trained, digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list]:
    """What shackdoo itself answers about the digits."""
    folder = tmp_path_factory.mktemp("answers")
    np.save(folder / "digits.npy", digits)
    (folder / "answer.py").write_text(ANSWER)
    done = trained.python(folder / "answer.py", trained.keras_file, folder / "digits.npy")
    assert done.returncode == 0, done.stderr
    answers: dict[str, list] = json.loads(done.stdout)
    return answers
