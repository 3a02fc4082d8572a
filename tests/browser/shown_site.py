"""What the browser is shown: recorded runs and where their pages are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JAPANESE = "手書き文字"
JAPANESE_TAG = "日本語の実験"
JAPANESE_NOTE = "手書きの数字を分類する。学習率を比べる。"


@dataclass(frozen=True)
class Site:
    """Recorded runs and the server that shows them.

    Attributes:
        link: what ``shackdoo ui`` printed: the run list of the newest run's experiment.
        client: of the store.
        root: of the project.
    """

    link: str
    client: Any
    root: Path

    @property
    def address(self) -> str:
        """Of the server."""
        return self.link.partition("/#/")[0]

    def experiment(self, name: str) -> Any:
        """Return an experiment of the store."""
        return self.client.get_experiment_by_name(name)

    def runs(self, experiment: str) -> list[Any]:
        """Return the runs of an experiment, newest first."""
        return list(self.client.search_runs([self.experiment(experiment).experiment_id]))

    def run_list(self, experiment: str) -> str:
        """Return the link of an experiment's run list, as that of the newest run's is."""
        number = self.experiment(experiment).experiment_id
        return re.sub(r"/experiments/\d+/", f"/experiments/{number}/", self.link)

    def run_page(self, run: Any, part: str = "") -> str:
        """Return the address of a run's page, or of a part of it."""
        page = f"{self.address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        return f"{page}{part}?workflowType=machine_learning"
