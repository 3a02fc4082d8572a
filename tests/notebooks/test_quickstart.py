"""The notebook runs from top to bottom in a kernel of its own, and what it did is on record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shackdoo.tracking.listing import list_local

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after its execution, with the state folder that it has written."""
    folder = tmp_path_factory.mktemp("notebook")
    root = folder / "project"
    (root / "conf").mkdir(parents=True)
    (root / "MLproject").write_text("name: own\n")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")},
        "SHACKDOO_ROOT": str(root),
        "SHACKDOO_STATE": str(folder / "state"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    script, result = Path(__file__).with_name("execute.py"), folder / "executed.ipynb"
    done = subprocess.run(
        [sys.executable, script, NOTEBOOK, result], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(result.read_text(encoding="utf-8")), folder / "state"


def texts(notebook: Any) -> str:
    """All that the cells have printed or shown as text."""
    parts = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            parts.append("".join(text))
    return "\n".join(parts)


@pytest.mark.slow
def test_it_runs_from_top_to_bottom_and_shows_what_it_says(executed: Any) -> None:
    notebook, _ = executed
    shown = texts(notebook)
    assert "<Experiment mnist > Mnist_B: Mnist_B < Mnist_A < Task>" in shown
    assert "no key 'batch_sise' in task.parameters. Did you mean 'batch_size'?" in shown
    assert "{'train': 54000, 'validation': 6000, 'test': 10000}" in shown
    assert "it is 7 and the model says 7" in shown
    pictures = [
        output
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2


@pytest.mark.slow
def test_its_runs_are_on_record_with_the_class_that_is_written_in_it(executed: Any) -> None:
    _, state = executed
    runs = {(run.task, run.params["optimizer._target_"]): run for run in list_local(state)}
    assert {task for task, _ in runs} == {"Mnist_B", "Wide"}
    assert {run.status for run in runs.values()} == {"FINISHED"}
    best = runs["Mnist_B", "keras.optimizers.Adam"]
    assert best.metrics["test_accuracy"] >= 0.98
    wide = next(run for (task, _), run in runs.items() if task == "Wide")
    manifest = json.loads((state / "runs" / wide.uid / "files" / "manifest.json").read_text())
    (source,) = manifest["code"]["sources"].values()
    assert "class Wide(Mnist_A):" in source
    assert "hidden_units: PositiveInt" in source
    assert "from pydantic import PositiveInt" in source


def test_it_is_committed_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
