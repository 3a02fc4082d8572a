"""The record of one inference: what was asked, what came of it, whose model it was."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shackdoo.catalog.inputs.batch import ReadData, Refusal
from shackdoo.catalog.inputs.open import STDIN
from shackdoo.catalog.inputs.pictures import PictureFiles
from shackdoo.catalog.outputs import DEFAULT
from shackdoo.commands.recording import Recording
from shackdoo.commands.rejects import Rejects
from shackdoo.commands.reporting import DESCRIPTION
from shackdoo.provenance.fingerprint import RunningDigest
from shackdoo.provenance.names import plain
from shackdoo.report.inference_summary import InferenceFacts, inference_summary
from shackdoo.tracking.tracker import Artifact, DataInput

if TYPE_CHECKING:
    from shackdoo.commands.infer import Inference
    from shackdoo.training.scores import Scores

LINE_SECONDS = 10.0  # between lines on how far it is, where no bar can be shown
MOST_FORMS = 5  # sorts of inputs that are printed
LARGEST_ARTIFACT = 1 << 26  # bytes of a table that goes into the record as well


class InferRecording(Recording):
    """A context in which a trained model answers; whatever ends it, the record says how.

    Attributes:
        refused: how many inputs could not be understood.
        digest: of all answers.
    """

    KIND = "infer"

    def __init__(self, inference: Inference) -> None:
        super().__init__(inference.checked)
        self.inference = inference
        self.refused = 0
        self.digest = RunningDigest()
        self._answered = 0
        self._forms: Counter[str] = Counter()
        self._bar: Any = None
        self._last_line = time.monotonic()

    def __enter__(self) -> InferRecording:
        super().__enter__()
        self.manifest.values["trained_run"] = self.inference.trained.run.uid
        self.manifest.values["input"] = self._input()
        self.rejects = Rejects()
        if self.inference.config.output is None and self.inference.output.path is not None:
            self.inference.output.put(self.place.report_folder / DEFAULT)
        trained = self.inference.trained
        named = f" ({trained.registered})" if trained.registered else ""
        self.notice(f"  model     {trained.run.run_name}  run {trained.run.uid}{named}")
        self._open_bar()
        return self

    def _input(self) -> str:
        """Return what is asked about so that it means the same in any folder."""
        config = self.inference.config
        if config.input == STDIN or config.input in config.catalog:
            return config.input
        return str(Path(config.input).expanduser().absolute())

    # ── what a record of this kind has ───────────────────────────────────────────────────────

    def data_read(self) -> dict[str, dict[str, Any]]:
        """Return nothing: what is read is known when it has been read."""
        return {}

    def own_tags(self) -> dict[str, str]:
        """Return what links the run to the one that has trained the model."""
        run, registered = self.inference.trained.run, self.inference.trained.registered
        tags = {
            "shackdoo.kind": self.KIND,
            "shackdoo.trained_run": run.uid,
            "shackdoo.trained_mlflow_run": run.mlflow_run_id,
            "shackdoo.weights_sha256": run.tags.get("shackdoo.weights_sha256"),
            "shackdoo.model_uri": registered,
        }
        return {name: value for name, value in tags.items() if value is not None}

    # ── while it runs ────────────────────────────────────────────────────────────────────────

    def _open_bar(self) -> None:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self.inference.inputs.count, unit="input", leave=False)

    def answered(self, count: int, refused: Sequence[Refusal], forms: Mapping[str, int]) -> None:
        """Count what became of a batch, and show how far it is."""
        self._answered += count
        self.refused += len(refused)
        self._forms.update(forms)
        self.rejects.write(refused)
        if self._bar is not None:
            self._bar.update(count + len(refused))
        elif time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            whole = self.inference.inputs.count
            of = f" of {whole}" if whole else ""
            self.notice(f"{self._answered + self.refused}{of} inputs")

    # ── results ──────────────────────────────────────────────────────────────────────────────

    def read(self, data: ReadData) -> None:
        """Put on record what was read."""
        entry = {"path": data.source, "sha256": data.sha256}
        self.manifest.values["data"][plain(data.name)] = entry
        self.place.tracker.attach(DataInput(data.name, data.sha256, data.source, "inference"))

    def answers_done(self, scores: Scores | None, unknown: int, seconds: float) -> None:
        """Put the results on record: counts, metrics, the tables; print them."""
        self._close_bar()
        metrics = scores.metrics() if scores is not None else {}
        speed = (self._answered + self.refused) / max(seconds, 1e-9)
        counts = {"inputs": self._answered + self.refused, "refused": self.refused}
        self.place.tracker.metrics({**metrics, **counts, "inputs_per_second": speed}, step=0)
        results = {"predictions_sha256": self.digest.hexdigest(), "metrics": {**metrics, **counts}}
        self.manifest.values["results"] = results
        output = self.inference.output
        rejects = self.rejects.finish() if self.refused else None
        output.write_rejects(rejects)
        for table in (output.path, output.rejects or rejects):
            if table is not None and table.is_file() and table.stat().st_size <= LARGEST_ARTIFACT:
                self.place.tracker.attach(Artifact(table, "answers"))
        self._describe_result(metrics)
        if self._forms:
            forms = json.dumps(dict(self._forms.most_common()), ensure_ascii=False)
            self.place.tracker.tags({"shackdoo.forms": self._redactor.text(forms)})
        self._print(metrics, unknown)
        self.lap("close")

    def _describe_result(self, metrics: Mapping[str, float]) -> None:
        if DESCRIPTION in self.inference.config.tags:
            return  # the user's own comes first
        run = self.inference.trained.run
        facts = InferenceFacts(
            run.run_name,
            run.uid,
            next(iter(self.manifest.values["data"])),
            self._answered + self.refused,
            self.refused,
            dict(self._forms.most_common()),
            metrics,
        )
        text = inference_summary(facts, self.inference.config.report.language)
        self.place.tracker.tags({DESCRIPTION: self._redactor.text(text)})

    def picture(self, kind: str, content: dict[str, Any]) -> None:
        """Have a picture drawn, and say where it will be."""
        self._reporting.figure(kind, content)

    def _print(self, metrics: Mapping[str, float], unknown: int) -> None:
        output = self.inference.output
        stream = sys.stderr if output.path is None else sys.stdout
        lines = [("inputs", f"{self._answered + self.refused}")]
        lines += [("as read", f"{form}: {count}") for form, count in self._some_forms()]
        if self.refused:
            where = f", listed in {output.rejects}" if output.rejects else ""
            lines.append(("refused", f"{self.refused}{where}"))
            lines += [("", f"{each.name}: {each.reason}") for each in self.rejects.first]
        known = metrics.get("known", 0)
        lines += [
            (name, f"{value:.4f} of {known:.0f} whose truth is known")
            for name, value in metrics.items()
            if name != "known"
        ]
        if unknown and (known or not isinstance(self.inference.inputs, PictureFiles)):
            are = "label is" if unknown == 1 else "labels are"
            lines.append(("warning", f"{unknown} {are} none that the model knows"))
        if output.path is not None:
            lines.append(("output", str(output.path)))
        lines.append(("run", self.place.uid))
        for name, text in lines:
            print(f"{name:<15} {text}", file=stream)

    def _some_forms(self) -> list[tuple[str, int]]:
        most = self._forms.most_common(MOST_FORMS + 1)
        if len(most) <= MOST_FORMS:
            return most
        rest = len(self._forms) - MOST_FORMS + 1
        shown = most[: MOST_FORMS - 1]
        left = self._forms.total() - sum(count for _, count in shown)
        return [*shown, (f"in {rest} other forms", left)]

    # ── closing ──────────────────────────────────────────────────────────────────────────────

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._close_bar()
        if isinstance(error, BrokenPipeError):  # who reads the answers has seen enough
            super().__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
            self.rejects.close()
            return False
        self.inference.output.abandon()
        handled = super().__exit__(kind, error, trace)
        self.rejects.close()
        return handled
