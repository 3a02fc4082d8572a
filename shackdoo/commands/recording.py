"""The record of one run, from its opening to its close.

Here meet the parts that do not know each other: training, tracking, provenance, report.
"""

from __future__ import annotations

import math
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from shackdoo.commands.model_code import ModelCode, keep_code
from shackdoo.commands.record_place import open_place
from shackdoo.commands.reporting import Reporting
from shackdoo.commands.results import answer_types, fingerprints, print_result, save_model
from shackdoo.config.compose import as_yaml
from shackdoo.config.record import config_digest, flatten
from shackdoo.errors import ShackdooError
from shackdoo.provenance.capture import capture, write_manifest
from shackdoo.provenance.git import git_diff, toplevel
from shackdoo.provenance.source import class_sources, source_digests, unfiled
from shackdoo.provenance.untracked import sort_untracked
from shackdoo.tracking.tracker import Artifact, DataInput, Model
from shackdoo.training.dataset import leaves
from shackdoo.training.progress import Progress

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.task import Result
    from shackdoo.tracking.system import SystemMetrics
    from shackdoo.training.dataset import Dataset


class Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt it passes through what handles ordinary errors."""


class Recording:
    """A context in which a run happens; whatever ends the run, its record says how.

    It observes the training loop, too: each epoch is journaled the moment it ends.

    Attributes:
        exit_code: of the process; known after the context.
        error: what ended the run, None if nothing did.
    """

    KIND = ""  # of the run, if it is no training

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.exit_code = 0
        self.error: BaseException | None = None
        self._history: dict[str, list[float]] = {}
        self._seconds: dict[str, float] = {}
        self._redactor = checked.redactor()
        self._progress = Progress(checked.task.parameters.epochs)
        self._lap = time.perf_counter()
        self._warned = False

    # ── opening ──────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Recording:
        self._previous = signal.signal(signal.SIGTERM, _terminate)
        self.place = open_place(self.checked, self._redactor, self.notice, self.KIND)
        self._manifest = self._captured()
        self._describe()
        self._code = self._kept_code()
        self._reporting = Reporting(self.checked, self._redactor, self.place, self.notice)
        if not self.KIND:
            self._reporting.ask()
        self.place.start_shipping()
        self._announce()
        self._system = self._sampled()
        self.lap("open")
        return self

    def _sampled(self) -> SystemMetrics | None:
        """Return the sampler of system metrics, started, if they are wanted."""
        seconds = self.checked.composed.config.tracking.system_metrics
        if seconds is None:
            return None
        from shackdoo.tracking.system import SystemMetrics

        sampler = SystemMetrics(self.place.tracker.metrics, seconds)
        sampler.start()
        return sampler

    def _captured(self) -> dict[str, Any]:
        checked, config = self.checked, self.checked.composed.config
        sources = class_sources(type(checked.task))
        return capture(
            run_uid=self.place.uid,
            command=sys.argv,
            overrides=checked.composed.overrides,
            config=checked.composed.values,
            config_digest=config_digest(checked.composed.values),
            data=self.data_read(),
            determinism={
                **config.determinism.model_dump(),
                "strategy": config.strategy.name,
                "xla": config.strategy.xla,
            },
            seed=config.seed,
            sources=unfiled(sources),
            classes=source_digests(sources),
            root=checked.project.root,
            redactor=self._redactor,
        )

    def data_read(self) -> dict[str, dict[str, Any]]:
        """Return path and digest of the data that the run begins with, by name."""
        catalog, name = self.checked.catalog, self.checked.composed.config.task.data
        return {name: {"path": str(catalog.path(name)), "sha256": catalog.digest(name)}}

    def own_tags(self) -> dict[str, str]:
        """Return tags of this kind of run."""
        return {}

    def _describe(self) -> None:
        """Put on record what is about to run, before it does."""
        composed, tracker = self.checked.composed, self.place.tracker
        values = self._redactor.value(composed.values)
        tracker.params(_named(flatten(values)))
        tracker.tags(
            {
                **{name: str(value) for name, value in values["tags"].items()},
                "shackdoo.task": composed.config.task.name,
                "shackdoo.tag": self._redactor.text(composed.config.tag),
                "shackdoo.lineage": self.checked.lineage(),
                "shackdoo.code": _code(self._manifest["code"]),
                "shackdoo.config_digest": self._manifest["config_digest"],
                **self.own_tags(),
            }
        )
        self._attach_text("config.yaml", as_yaml(values))
        self._attach_manifest()
        for name, entry in self._manifest["data"].items():
            tracker.attach(DataInput(name, entry["sha256"], entry["path"], "training"))
        self._attach_code()

    def _kept_code(self) -> ModelCode | None:
        """Return the code that the model will be logged with, if there will be one."""
        trains = not self.KIND and "run" in self.checked.composed.config.flows
        if self.place.folder is None or not trains:
            return None
        return keep_code(self.checked, self._redactor, self.place.keep, self.notice)

    def _attach_code(self) -> None:
        """Put on record what the commit does not have: the diff, and untracked files if allowed.

        On this disk it is whole; secrets are taken out when it is shipped.
        """
        code, root = self._manifest["code"], self.checked.project.root
        if not code.get("dirty"):
            return
        if content := git_diff(root):
            diff = self.place.keep("code.diff", content)
            if diff is not None:
                self.place.tracker.attach(Artifact(diff, "", redact=True))
        if self.checked.composed.config.tracking.untracked and (top := toplevel(root)):
            self._attach_untracked(top, code["untracked"])

    def _attach_untracked(self, top: Path, names: Sequence[str]) -> None:
        untracked = sort_untracked(top, names)
        left_out = dict(untracked.left_out)
        for name in untracked.shippable:
            folder = PurePosixPath("untracked", name).parent
            try:
                self.place.tracker.attach(Artifact(top / name, str(folder), redact=True))
            except OSError as error:  # somebody else's file, or gone by now
                left_out[name] = f"it can't be read: {error.strerror}"
        for name, why in left_out.items():
            self.notice(f"the untracked file {name} is not shipped: {why}")

    def _announce(self) -> None:
        config = self.checked.composed.config
        self.notice(f"{config.task.name}  run {self.place.uid}")
        self.notice(f"  lineage   {self.checked.lineage()}")
        self.notice(f"  tracking  {config.experiment} > {config.tag}, {self.place.where}")

    # ── while it runs ────────────────────────────────────────────────────────────────────────

    def lap(self, name: str) -> None:
        """Book the seconds since the last lap under ``name``."""
        now = time.perf_counter()
        self._seconds[name], self._lap = now - self._lap, now

    def started(self, threads: int) -> None:
        """Put on record with how many threads TensorFlow computes."""
        self._manifest["determinism"]["threads_used"] = threads
        self.lap("import")

    def devices(self, number: int) -> None:
        """Put on record how many devices share each batch."""
        self._manifest["determinism"]["devices_used"] = number

    def data(self, dataset: Dataset) -> None:
        """Put shapes and types of the data on record."""
        self.lap("preprocessing_train")
        entry = self._manifest["data"][self.checked.composed.config.task.data]
        for name in ("train", "validation", "test"):
            split = getattr(dataset, name)
            if split is not None:
                arrays = leaves((split.inputs, split.targets))
                entry[name] = [f"{array.dtype}{list(array.shape)}" for array in arrays]

    def epoch_started(self, epoch: int, steps: int) -> None:
        """Show it, and begin its curve."""
        self._progress.epoch_started(epoch, steps)
        self._reporting.epoch_started()

    def advanced(self, step: int, logs: dict[str, float]) -> None:
        """Show it, and draw its curve on."""
        self._progress.advanced(step, logs)
        self._reporting.advanced(step, logs)

    def reported(self, step: int, logs: dict[str, float]) -> None:
        """Journal the training's metrics so far in the epoch, as Keras shows them."""
        means = {f"batch_{name}": value for name, value in logs.items()}
        self.place.tracker.metrics(means, step=step)

    def epoch_ended(self, epoch: int, logs: dict[str, float]) -> None:
        """Journal the epoch's metrics and show them."""
        self.place.tracker.metrics(logs, step=epoch)
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        self._progress.epoch_ended(epoch, logs)
        self._warn()

    def _warn(self) -> None:
        """Say once that the store fails, and what to do."""
        if not self._warned and (trouble := self.place.trouble()):
            self._warned = True
            self.notice(
                f"warning: the tracking store fails: {trouble}. The run is recorded on this disk "
                f"all the same; `shackdoo sync` ships what is left."
            )

    def notice(self, text: str) -> None:
        """Show a line, without secrets: it may end up in a log."""
        self._progress.notice(self._redactor.text(text))

    # ── results ──────────────────────────────────────────────────────────────────────────────

    def result(self, result: Result, dataset: Dataset) -> None:
        """Put the results on record: metrics, fingerprints, model, pictures; print them."""
        self.lap("run")
        tracker = self.place.tracker
        tests = {name: v for name, v in result.metrics.items() if name.startswith("test_")}
        tracker.metrics(tests, step=len(self._history.get("loss", ())))
        if result.xla is not None:
            self._manifest["determinism"]["xla_used"] = result.xla
        self._manifest["results"] = prints = fingerprints(result)
        weights = prints["weights"]["sha256"]
        tracker.tags({"shackdoo.weights_sha256": weights})
        if wrong := [name for name, v in result.metrics.items() if not math.isfinite(v)]:
            self.notice(
                f"warning: {', '.join(sorted(wrong))}: no finite number, so the training has "
                f"diverged. A smaller optimizer.learning_rate is the usual way out."
            )
        tracker.attach(self._saved(result))
        self._reporting.result(result, dataset)
        print_result(result, self.place.model_path, weights, self.place.uid)
        self.lap("close")

    def _saved(self, result: Result) -> Model | Artifact:
        answers = answer_types(self.checked.task, result)
        register = self.checked.composed.config.register_as
        saved = save_model(result.model, self.place.model_path, self._code, answers, register)
        if register and isinstance(saved, Artifact):
            self.notice(
                f"warning: the model is not registered as {register}: it is a keras.Model with a "
                f"call() of its own, which does not know its inputs. Build it from keras.Input."
            )
        return saved

    # ── closing ──────────────────────────────────────────────────────────────────────────────

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._progress.close()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the close is short; let it end
        if self._system is not None:
            self._system.stop()
        status, self.exit_code = _ending(error)
        self.error = error
        if error is not None:
            self._explain(error, status)
        self._manifest["seconds"] = self._seconds
        self._attach_manifest()
        if not self.KIND:
            why = None if error is None or status == "KILLED" else self._message(error)
            self._reporting.close(status, why, self._history, self._manifest)
        if left := self.place.close(status):
            self.notice(f"warning: {left}")
        signal.signal(signal.SIGTERM, self._previous)
        return error is None or isinstance(error, Exception | KeyboardInterrupt | Terminated)

    def _explain(self, error: BaseException, status: str) -> None:
        """Say what ended the run, to the user and in the record."""
        if status == "KILLED":
            self.notice("stopped; the run is closed as KILLED with what it has")
            return
        self.place.tracker.tags({"shackdoo.error": self._message(error)})
        text = "".join(traceback.format_exception(error))
        self._attach_text("traceback.txt", self._redactor.text(text))
        known = isinstance(error, ShackdooError)
        self.notice(f"error: {error}" if known else text)

    def _message(self, error: BaseException) -> str:
        return self._redactor.text(f"{type(error).__name__}: {error}")

    def _attach_text(self, name: str, text: str) -> None:
        path = self.place.keep(name, text.encode())
        if path is not None:
            self.place.tracker.attach(Artifact(path, ""))

    def _attach_manifest(self) -> None:
        if self.place.folder is not None:
            path = self.place.folder / "files" / "manifest.json"
            write_manifest(self._manifest, path)
            self.place.tracker.attach(Artifact(path, ""))


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _ending(error: BaseException | None) -> tuple[Any, int]:
    """Return the run's status and the exit code that fit what ended it."""
    if error is None:
        return "FINISHED", 0
    if isinstance(error, KeyboardInterrupt):
        return "KILLED", 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return "KILLED", 128 + signal.SIGTERM
    return "FAILED", 1


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with no bare names: ``mlflow run`` logs its own ``task`` and others."""
    return {key if "." in key else f"config.{key}": value for key, value in values.items()}


def _code(code: dict[str, Any]) -> str:
    """Return the commit, marked if the tree differs from it."""
    commit = code.get("commit")
    return f"{commit}{'+dirty' if code.get('dirty') else ''}" if commit else "unversioned"
