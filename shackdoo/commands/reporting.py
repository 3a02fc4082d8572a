"""What a run leaves for people: pictures, the page of its report, its description in MLflow."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shackdoo.commands import parent_task
from shackdoo.commands.report_content import report_content, run_facts, without_secrets
from shackdoo.report.content import Content, json_ready
from shackdoo.report.summary import summary
from shackdoo.tracking.journal import now_ms
from shackdoo.tracking.tracker import Artifact

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.commands.record_place import Place
    from shackdoo.provenance.secrets import Redactor
    from shackdoo.task import Result
    from shackdoo.training.dataset import Dataset

DESCRIPTION = "mlflow.note.content"
MOST_STEPS = 64  # of a training of one epoch, kept for its curve
WORST = ("mistakes", "worst_errors")  # parts that the sheet of worst mistakes is drawn from


class Reporting:
    """Gathers what the report shows while a run goes on; whatever goes wrong here stops no run."""

    def __init__(
        self, checked: Checked, redactor: Redactor, place: Place, notice: Callable[[str], None]
    ) -> None:
        self._checked, self._redactor = checked, redactor
        self._place, self._notice = place, notice
        self._wanted = checked.composed.config.report
        self._started = now_ms()
        self._metrics: Mapping[str, float] | None = None
        self._parts: Sequence[Mapping[str, Any]] = ()
        self._steps: list[tuple[int, Mapping[str, float]]] = []

    def ask(self) -> None:
        """Leave the question how the run differs from its parent task to the shipper."""
        asked = parent_task.question(self._checked, self._redactor)
        self._place.keep(parent_task.QUESTION, json.dumps(asked).encode())

    def epoch_started(self) -> None:
        """Forget the steps of the epoch before."""
        self._steps = []

    def advanced(self, step: int, logs: Mapping[str, float]) -> None:
        """Keep the means so far: of a training of one epoch they are its curve."""
        if len(self._steps) >= MOST_STEPS:
            self._steps = self._steps[1::2]
        self._steps.append((step, dict(logs)))

    def _within(self) -> dict[str, Any] | None:
        if not self._steps:
            return None
        names = self._steps[-1][1]
        means = {name: [logs.get(name, math.nan) for _, logs in self._steps] for name in names}
        return {"steps": [step for step, _ in self._steps], "metrics": json_ready(means)}

    def result(self, result: Result, dataset: Dataset) -> None:
        """Draw what the answers on the test split have shown, and keep it for the page."""
        task = self._checked.task
        self._metrics = result.metrics
        if result.test is not None and self._wanted.confusion_matrix:
            counts = task.confusion(dataset, result.test)
            if counts is not None:
                names = [str(name) for name in task.classes(len(counts))]
                self.figure("confusion_matrix", {"counts": counts.tolist(), "classes": names})
        try:
            parts = task.report_parts(dataset, result.test)
            json.dumps([part["kind"] for part in parts] + list(parts))
        except Exception as error:  # a hook of the user's; the training is worth more
            self._warn(f"{type(task).__name__}.report_parts failed", error)
            return
        self._parts = parts = [without_secrets(part, self._redactor) for part in parts]
        worst = [one for part in parts if part["kind"] in WORST for one in part["examples"]]
        if self._wanted.worst_mistakes and any(one["picture"] for one in worst):
            self.figure("worst_mistakes", {"examples": worst})

    def close(
        self,
        status: str,
        error: str | None,
        history: Mapping[str, Sequence[float]],
        manifest: Mapping[str, Any],
    ) -> None:
        """Draw the curves and the page, and describe the run in a few lines."""
        if history and self._wanted.curves:
            self.figure("learning_curves", {"history": history})
        if not self._wanted.page and self._place.folder is None:
            return
        try:
            content = self._content(status, error, history, manifest)
            self._describe(content)
        except Exception as failure:  # the end of the run has to be recorded, come what may
            self._warn("the report could not be made", failure)
            return
        if self._wanted.page:
            self.figure("report", content)
            self._keep_content()

    def _content(
        self,
        status: str,
        error: str | None,
        history: Mapping[str, Sequence[float]],
        manifest: Mapping[str, Any],
    ) -> Content:
        config = self._checked.composed.config
        facts = run_facts(
            self._checked,
            self._redactor,
            uid=self._place.uid,
            name=self._place.report_folder.name,
            started=self._started,
            ended=now_ms(),
            status=status,
            error=error,
        )
        last = {name: values[-1] for name, values in history.items()}
        return report_content(
            facts,
            language=config.report.language,
            best=config.best.model_dump(),
            history=history,
            metrics=self._metrics or last,
            parts=self._parts,
            parent=self._parent(),
            manifest=manifest,
            within=self._within() if len(history.get("loss", ())) == 1 else None,
        )

    def _parent(self) -> dict[str, Any]:
        """Return how the run differs from its parent task; the shipper knows it by now, mostly."""
        folder = self._place.folder
        known = parent_task.read_answer(folder and folder / "files")
        return known or parent_task.answer(parent_task.question(self._checked, self._redactor))

    def _describe(self, content: Content) -> None:
        if DESCRIPTION not in self._checked.composed.config.tags:  # the user's own comes first
            text = summary(content, self._wanted.language, page=self._wanted.page)
            self._place.tracker.tags({DESCRIPTION: text})

    def _keep_content(self) -> None:
        """Attach what the page is drawn from: it is drawn anew from there, on any machine."""
        if self._place.folder is not None:
            path = self._place.folder / "files" / "report.json"
            self._place.tracker.attach(Artifact(path, "report"))

    def figure(self, kind: str, content: Mapping[str, Any]) -> None:
        """Have a picture drawn, titled with the run's tag and uid."""
        tag = self._redactor.text(self._checked.composed.config.tag)
        titled = {"title": f"{tag}  {self._place.uid[:8]}", **content}
        try:
            self._place.figure(kind, titled)
        except Exception as error:
            self._warn(f"{kind} could not be drawn", error)

    def _warn(self, what: str, error: Exception) -> None:
        self._notice(f"warning: {what}: {type(error).__name__}: {error}")
