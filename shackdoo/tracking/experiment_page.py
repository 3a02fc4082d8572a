"""What the page of an experiment in MLflow opens with: a text above its runs, columns that matter.

MLflow keeps both as tags of the experiment. Its front end reads the columns from a saved view,
which a link names.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

NOTE = "mlflow.note.content"
VIEW = "shackdoo"  # the saved view's key, in the link
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
VIEW_NAME = "shackdoo: what matters first"
DATED = 1_767_225_600_000  # 2026-01-01; MLflow wants a date, and equal views have equal tags
FIRST_COLUMNS = {  # as MLflow names them, in order; widths in pixels
    "tags.`shackdoo.task`": 115,
    "tags.`shackdoo.tag`": 115,
    "metrics.`test_accuracy`": 110,
    "metrics.`val_accuracy`": 105,
    "metrics.`loss`": 80,
    "duration": 75,
    "params.`task.parameters.epochs`": 175,
    "params.`task.parameters.batch_size`": 195,
    "params.`optimizer.learning_rate`": 170,
    "params.`config.seed`": 95,
}
OWN_DURATION = "duration"  # always shown; MLflow knows it as no column to be selected


@dataclass(frozen=True)
class Recipe:
    """What an experiment's first run says about it.

    Attributes:
        experiment: its name.
        task: name of the task.
        about: what the task is, in one sentence.
        lineage: the task's class and its parents.
        data: name of the data set.
        command: what adds a run.
    """

    experiment: str
    task: str
    about: str
    lineage: str
    data: str
    command: str


def note(recipe: Recipe) -> str:
    """Return the text above the runs of an experiment, in markdown."""
    return f"""\
**{recipe.task}** ({recipe.lineage}) on the data `{recipe.data}`: {recipe.about}

That is the task of the first run here; the column `shackdoo.task` names each run's.

Add a run, here with one value changed: `{recipe.command} seed=1`

| column | says |
|---|---|
| `shackdoo.task`, `shackdoo.tag` | the task of a run, and the name that its user gave it (`tag=…`) |
| `test_…` | measured once, at the end, on data that the training never saw: the figures to report |
| `val_…` | measured after each epoch on examples held out of the training: choose between runs by these |
| `loss`, `accuracy` | of the last epoch, on the training examples |
| `task.parameters.…`, `optimizer.…`, `config.…` | the configuration, by the names that `shackdoo train` takes (`config.seed` is `seed`) |

The button *Columns* shows all others. A run's own page has its curves, and under *Artifacts* its report and pictures (`report`), its whole configuration (`config.yaml`) and its origin (`manifest.json`).

`shackdoo runs --experiment {shlex.quote(recipe.experiment)}` prints the same runs as a tree.
"""  # noqa: E501  # a row is one line, and MLflow breaks a paragraph wherever a line ends


def saved_view() -> str:
    """Return the saved view of the run list that shows the columns that matter first."""
    state = {
        "selectedColumns": [name for name in FIRST_COLUMNS if name != OWN_DURATION],
        "columnOrder": list(FIRST_COLUMNS),
        "columnWidths": FIRST_COLUMNS,
    }
    view = {
        "name": VIEW_NAME,
        "createdAt": DATED,
        "updatedAt": DATED,
        "state": json.dumps(state, separators=(",", ":")),
    }
    return json.dumps(view, separators=(",", ":"))


def page_tags(text: str | None) -> dict[str, str]:
    """Return the tags of a new experiment: its text, if it has one, and its saved view."""
    return {VIEW_TAG: saved_view(), **({} if text is None else {NOTE: text})}
