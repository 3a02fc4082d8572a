"""A model of a task that was written in a script is served without the script."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

SCRIPT = '''
import shackdoo
from shackdoo.tasks.mnist import Mnist_B

WORDS = ["n" + str(number) for number in range(10)]


class Written(Mnist_B):
    """Written in a script."""

    def class_names(self):
        return WORDS


if __name__ == "__main__":
    run = shackdoo.train(Written, max_steps_per_epoch=30, tracking__wait=60)
    print(run.uid)
'''
LOAD = """
import sys
import mlflow
import numpy as np
digits = np.load(sys.argv[2])
print(mlflow.pyfunc.load_model(sys.argv[1]).predict(digits)["label"].tolist())
"""


def test_its_source_comes_along_and_stands_in_the_manifest(
    trained: Any, digits: np.ndarray, tmp_path: Path
) -> None:
    (root := tmp_path / "project" / "conf").mkdir(parents=True)
    (root.parent / "MLproject").write_text("name: own\n")
    (script := tmp_path / "somewhere.py").write_text(SCRIPT)
    own = {"SHACKDOO_ROOT": str(root.parent), "SHACKDOO_STATE": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**trained.environment, **own},
    )
    assert done.returncode == 0, done.stderr
    script.unlink()
    (model,) = root.parent.glob("mlruns/*/models/*/artifacts")
    (manifest,) = root.parent.glob("mlruns/*/*/artifacts/manifest.json")
    source = json.loads(manifest.read_text())["code"]["sources"]["__main__"]
    assert "class Written(Mnist_B)" in source
    assert "shackdoo.train" not in source
    description = json.loads((model / "artifacts" / "task.json").read_text())
    assert description["class"] == "Written"
    shipped = model / "code" / f"{description['module']}.py"
    assert shipped.read_text() == source
    np.save(tmp_path / "digits.npy", digits)
    (tmp_path / "load.py").write_text(LOAD)
    loaded = subprocess.run(
        [sys.executable, "-I", tmp_path / "load.py", model, tmp_path / "digits.npy"],
        capture_output=True,
        text=True,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert set(json.loads(loaded.stdout.replace("'", '"'))) <= {f"n{n}" for n in range(10)}
