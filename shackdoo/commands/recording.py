"""The record of one run, from its opening to its close.

Here meet the parts that do not know each other: training, tracking, provenance, report.
"""

from __future__ import annotations

import json
import math
import signal
import time
import traceback
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from shackdoo.commands.again import EnoughError, asked
from shackdoo.commands.captured import captured, training_data
from shackdoo.commands.kept_code import KeptCode
from shackdoo.commands.last_word import LastWord
from shackdoo.commands.model_code import ModelCode, keep_code
from shackdoo.commands.record_place import open_place
from shackdoo.commands.reporting import Reporting
from shackdoo.commands.results import answer_types, fingerprints, print_result, save_model
from shackdoo.commands.run_manifest import RunManifest
from shackdoo.commands.run_tags import links, opening_tags
from shackdoo.commands.sending import Sending
from shackdoo.commands.stopped import CHECKPOINTS, REQUEST
from shackdoo.config.compose import as_yaml
from shackdoo.config.record import flatten
from shackdoo.errors import ShackdooError
from shackdoo.metric_names import STEPS, TEST
from shackdoo.task import Training
from shackdoo.tracking.continued import Continued
from shackdoo.tracking.tracker import Artifact, DataInput, Model
from shackdoo.training.checkpoints import Checkpoints
from shackdoo.training.progress import Progress

if TYPE_CHECKING:
    from shackdoo.commands.captured import Captured
    from shackdoo.commands.checking import Checked
    from shackdoo.commands.stopped import Stopped
    from shackdoo.config.schema import DeterminismSpec
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
        manifest: what the run is made of, and what came out so far; known in the context.
    """

    KIND = ""  # of the run, if it is no training

    def __init__(self, checked: Checked, stopped: Stopped | None = None) -> None:
        """Prepare to record ``checked``, as a new run, or as the rest of ``stopped``."""
        self.checked = checked
        self.stopped = stopped
        self.again = asked()
        self.exit_code = 0
        self.error: BaseException | None = None
        self._history: dict[str, list[float]] = {}
        self._seconds: dict[str, float] = {}
        self._redactor = checked.redactor()
        self._progress = Progress(checked.task.parameters.epochs)
        self._lap = time.perf_counter()
        self._warned = False
        self._began = time.monotonic()
        self.last_word = LastWord(self._cut_short)

    # ── opening ──────────────────────────────────────────────────────────────────────────────

    def __enter__(self) -> Recording:
        self._listen()
        self.place = open_place(self.checked, self._redactor, self.notice, self.KIND, self.stopped)
        self.checkpoints = self._checkpoints()
        self.last_word.start()
        self._captured = self._as_it_is()
        self.manifest = RunManifest(self._captured.manifest, self.place)
        if self.stopped is not None:
            self.manifest.go_on(self.stopped)
            self._history = self.stopped.recorded.history()
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

    def _as_it_is(self) -> Captured:
        """Return what the run is made of; of one that goes on it has been looked at already."""
        if self.stopped is not None and self.stopped.now is not None:
            return self.stopped.now
        return captured(self.checked, self.place.uid, self.data_read())

    def _listen(self) -> None:
        """Let SIGTERM and Ctrl-C end the run in its own order."""
        self.checkpoints = Checkpoints(None, math.inf, 1, self.notice)
        self._previous = {
            number: signal.signal(number, self._asked) for number in (signal.SIGTERM, signal.SIGINT)
        }

    def _asked(self, number: int, frame: FrameType | None) -> None:
        """End the training at its next step, with its state kept; what is no training at once."""
        why = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        if not self.checkpoints.interrupt(why):
            raise why

    def _checkpoints(self) -> Checkpoints:
        """Return where the training's state is kept; nowhere if nothing is recorded."""
        wanted, folder = self.checked.composed.config.checkpoint, self.place.folder
        if folder is None or wanted.seconds is None or self.KIND:
            return self.checkpoints
        sent = Sending(self.place.tracker, wanted.ship)
        return Checkpoints(
            folder / CHECKPOINTS, wanted.seconds, wanted.keep, self.notice, sent.written
        )

    def _sampled(self) -> SystemMetrics | None:
        """Return the sampler of system metrics, started, if they are wanted."""
        seconds = self.checked.composed.config.tracking.system_metrics
        if seconds is None:
            return None
        from shackdoo.tracking.system import SystemMetrics

        first = 0 if self.stopped is None else self.stopped.recorded.next_sample()
        sampler = SystemMetrics(self.place.tracker.metrics, seconds, first)
        sampler.start()
        return sampler

    def data_read(self) -> dict[str, dict[str, Any]]:
        """Return path and digest of the data that the run begins with, by name."""
        return training_data(self.checked)

    def own_tags(self) -> dict[str, str]:
        """Return tags of this kind of run."""
        return {}

    def _describe(self) -> None:
        """Put on record what is about to run, before it does."""
        composed, tracker = self.checked.composed, self.place.tracker
        values = self._redactor.value(composed.values)
        tracker.params(_named(flatten(values)))
        self.manifest.values |= links(self.checked)
        tags = opening_tags(self.checked, self.manifest.values, self.stopped, self._redactor)
        again = {} if self.again is None else self.again.tags()
        tracker.tags({**tags, **again, **self.own_tags()})
        self._keep_request()
        self._attach_text("config.yaml", as_yaml(values))
        code = self._keep_code()
        self.manifest.attach()
        for name, entry in self.manifest.values["data"].items():
            tracker.attach(DataInput(name, entry["sha256"], entry["path"], "training"))
        for artifact in code:
            tracker.attach(artifact)

    def _keep_request(self) -> None:
        """Keep on this disk how the run was asked for, secrets and all: it may be resumed."""
        if not self.KIND:
            composed = self.checked.composed
            base = None if composed.base is None else composed.base.to_json()
            asked = {"overrides": list(composed.overrides), "same_as": base}
            self.place.keep(REQUEST, json.dumps(asked).encode())

    def _kept_code(self) -> ModelCode | None:
        """Return the code that the model will be logged with, if there will be one."""
        trains = not self.KIND and "run" in self.checked.composed.config.flows
        if self.place.folder is None or not trains:
            return None
        code = self._captured.code
        return keep_code(self.checked, code, self._redactor, self.place.keep, self.notice)

    def _keep_code(self) -> list[Artifact]:
        """Keep what the commit does not have; return what of it belongs into the store."""
        if self.place.folder is None:
            return []
        kept = KeptCode(self._captured, self.checked.project.root, self.place.keep, self.notice)
        untracked = self.checked.composed.config.tracking.untracked
        return kept.run(self.place.folder / "files", untracked)

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

    def determinism(self) -> DeterminismSpec:
        """Return the switches; a run goes on, and is repeated, with as many threads as it began."""
        wanted, before = self.checked.composed.config.determinism, self.stopped or self.again
        if before is None or before.threads is None:
            return wanted
        return wanted.model_copy(update={"threads": before.threads})

    def training(self) -> Training:
        """Return where the training's state is kept, and what it begins with."""
        first = self.checked.first_weights
        return Training(self.checkpoints, None if first is None else first.file)

    def started(self, threads: int) -> None:
        """Put on record with how many threads TensorFlow computes."""
        self.manifest.values["determinism"]["threads_used"] = threads
        self.lap("import")

    def devices(self, number: int) -> None:
        """Put on record how many devices share each batch."""
        self.manifest.values["determinism"]["devices_used"] = number
        self.manifest.write()

    def data(self, dataset: Dataset) -> None:
        """Put shapes and types of the data on record."""
        self.lap("preprocessing_train")
        self.manifest.data(self.checked.composed.config.task.data, dataset)
        self.manifest.attach()  # a run that is killed while it trains has it, too

    def epoch_started(self, epoch: int, steps: int) -> None:
        """Show it, and begin its curve."""
        self._progress.epoch_started(epoch, steps)
        self._reporting.epoch_started()

    def advanced(self, step: int, logs: dict[str, float]) -> None:
        """Show it, and draw its curve on."""
        self._progress.advanced(step, logs)
        self._reporting.advanced(step, logs)

    def reported(self, reports: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Journal the training's metrics so far in the epoch, as Keras shows them."""
        self.place.tracker.metrics_at_steps(
            [
                (step, {f"{STEPS}{name}": value for name, value in logs.items()})
                for step, logs in reports
            ]
        )

    def epoch_ended(self, epoch: int, logs: dict[str, float]) -> None:
        """Journal the epoch's metrics and show them."""
        self.place.tracker.metrics(logs, step=epoch)
        for name, value in logs.items():
            values = self._history.setdefault(name, [])
            values[epoch - 1 :] = [value]  # a resumed run may come to an epoch once more
        self._progress.epoch_ended(epoch, logs)
        self._warn()
        if self.again is not None and epoch == self.again.epochs:
            raise EnoughError

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
        tests = {name: v for name, v in result.metrics.items() if name.startswith(TEST)}
        tracker.metrics(tests, step=len(self._history.get("loss", ())))
        if result.xla is not None:
            self.manifest.values["determinism"]["xla_used"] = result.xla
        self.manifest.values["results"] = prints = fingerprints(result)
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
        for number in self._previous:
            signal.signal(number, signal.SIG_IGN)  # the close is short; let it end
        self.last_word.stop()
        if self._system is not None:
            self._system.stop()
        status, self.exit_code = _ending(error)
        self.error = error
        if error is not None and status != "FINISHED":
            self._explain(error, status)
        self.manifest.values["seconds"] = self._seconds
        self.manifest.values["wall_seconds"] = self._wall_seconds()
        self._compare_with_record()
        self.manifest.close()
        if not self.KIND:
            why = self._message(error) if error is not None and status == "FAILED" else None
            self._reporting.close(status, why, self._history, self.manifest.values)
        if left := self.place.close(status):
            self.notice(f"warning: {left}")
        if status == "FINISHED":
            self.checkpoints.discard()
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        return error is None or isinstance(error, Exception | KeyboardInterrupt | Terminated)

    def _wall_seconds(self) -> float:
        """Return how long the run has been worked on, all its stretches together."""
        before = 0.0 if self.stopped is None else self.stopped.recorded.seconds
        seconds = before + time.monotonic() - self._began
        if self.stopped is not None:
            self.place.tracker.tags({"shackdoo.wall_seconds": f"{seconds:.1f}"})
        return seconds

    def _compare_with_record(self) -> None:
        """Say if what was computed once more came out otherwise than it is on record."""
        tracker = self.place.tracker
        differing = tracker.differing if isinstance(tracker, Continued) else []
        if not differing:
            return
        (name, step), before, now = differing[0]
        text = (
            f"{len(differing)} metrics came out otherwise than before the run was resumed, first "
            f"{name} at {step}: {before!r} then, {now!r} now"
        )
        self.notice(f"warning: {text}")
        tracker.tags({"shackdoo.resume_differs": text})

    def _cut_short(self) -> None:
        """Close the record from another thread; the shipper does the rest."""
        self.place.tracker.end("KILLED")

    def _explain(self, error: BaseException, status: str) -> None:
        """Say what ended the run, to the user and in the record."""
        if status == "KILLED":
            self.notice("stopped; the run is closed as KILLED with what it has")
            self._tell_way_on()
            return
        self.place.tracker.tags({"shackdoo.error": self._message(error)})
        text = "".join(traceback.format_exception(error))
        self._attach_text("traceback.txt", self._redactor.text(text))
        known = isinstance(error, ShackdooError)
        self.notice(f"error: {error}" if known else text)

    def _tell_way_on(self) -> None:
        if self.place.folder is not None and not self.KIND and self.again is None:
            self.notice(f"`shackdoo resume {self.place.uid[:8]}` goes on with it")

    def _message(self, error: BaseException) -> str:
        return self._redactor.text(f"{type(error).__name__}: {error}")

    def _attach_text(self, name: str, text: str) -> None:
        path = self.place.keep(name, text.encode())
        if path is not None:
            self.place.tracker.attach(Artifact(path, ""))


def _ending(error: BaseException | None) -> tuple[Any, int]:
    """Return the run's status and the exit code that fit what ended it."""
    if error is None or isinstance(error, EnoughError):
        return "FINISHED", 0
    if isinstance(error, KeyboardInterrupt):
        return "KILLED", 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return "KILLED", 128 + signal.SIGTERM
    return "FAILED", 1


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with no bare names: ``mlflow run`` logs its own ``task`` and others."""
    return {key if "." in key else f"config.{key}": value for key, value in values.items()}
