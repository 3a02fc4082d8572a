"""The loop of an inference: read a batch, refuse, predict, write, count."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from shackdoo.catalog.inputs.batch import Batch, together
from shackdoo.training.picture import as_text
from shackdoo.training.runtime import start_tensorflow

if TYPE_CHECKING:
    from shackdoo.commands.infer import Inference
    from shackdoo.commands.infer_recording import InferRecording
    from shackdoo.predictor import Predictor
    from shackdoo.task import Task
    from shackdoo.training.answers import Answers
    from shackdoo.training.scores import Mistake, Scores

AHEAD = 2  # batches that are read while the model answers about another


def answer_all(inference: Inference, recording: InferRecording) -> None:
    """Let the model answer about all inputs; the table is whole or absent."""
    config, task = inference.config, inference.checked.task
    batches = _read_ahead(inference.inputs.batches(config.batch))
    cache = inference.checked.project.state_dir() / "xla"
    recording.started(start_tensorflow(recording.determinism(), config.gpu, config.seed, cache))
    from shackdoo.predictor import Predictor

    predictor = Predictor.load(task, inference.trained.model.path, config.strategy.xla)
    recording.lap("load")
    answering = _Answering(inference, recording, predictor)
    began = time.perf_counter()
    inference.output.open()
    for batch in batches:
        answering.take(batch)
    inference.output.finish(predictor.no_answers)
    recording.read(inference.inputs.data())
    recording.lap("answer")
    recording.answers_done(answering.scores, answering.unknown, time.perf_counter() - began)
    answering.pictures()


class _Answering:
    def __init__(
        self, inference: Inference, recording: InferRecording, predictor: Predictor
    ) -> None:
        self._inference = inference
        self._recording = recording
        self._predictor = predictor
        self._task = inference.checked.task
        self.scores: Scores | None = None
        self.unknown = 0
        self._shown: list[dict[str, Any]] = []

    def take(self, batch: Batch) -> None:
        """Answer about a batch, but for what the task refuses."""
        batch.inputs = together(batch.inputs)
        left = batch.without(self._predictor.refusals(batch.inputs)) if batch.names else batch
        forms: Any = {}
        if left.names:
            inputs = together(left.inputs)  # without what was refused they may be of one shape
            forms = self._task.forms(inputs)
            answers = self._predictor.answers(inputs)
            if nothing := _without_number(answers):
                left = left.without(dict.fromkeys(nothing, "the model gives no number for it"))
                kept = np.delete(np.arange(len(inputs)), nothing)
                answers = {name: column[kept] for name, column in answers.items()}
            self._inference.output.write(left.names, answers)
            self._recording.digest.add(answers)
            self._count(left, answers)
        self._recording.answered(len(left.names), left.refused, forms)

    def _count(self, batch: Batch, answers: Answers) -> None:
        config = self._inference.config
        if self.scores is None:
            self.scores = self._task.scores(answers, config.mistakes)
        if batch.labels and self.scores is not None:
            wrong = self.scores.add(batch.names, batch.labels, answers, batch.inputs)
            self.unknown += len(wrong)
        for place in range(min(len(batch.names), config.pictures - len(self._shown))):
            self._shown.append(_example(self._task, batch.inputs[place], answers, place))

    def pictures(self) -> None:
        """Have drawn what was answered, and what was answered worst."""
        shown = [example for example in self._shown if example["picture"]]
        if shown:
            self._recording.picture("predictions", {"examples": shown})
        if self.scores is None:
            return
        if (counts := self.scores.confusion()) is not None:
            names = [str(name) for name in self._task.classes(len(counts))]
            content = {"counts": counts.tolist(), "classes": names}
            self._recording.picture("confusion_matrix", content)
        mistakes = [_mistake(self._task, each) for each in self.scores.mistakes()]
        if any(each["picture"] for each in mistakes):
            self._recording.picture("worst_mistakes", {"examples": mistakes})


def _without_number(answers: Answers) -> list[int]:
    """Return the positions of answers that are no finite numbers: of a training that diverged."""
    wrong = [~np.isfinite(c) for c in answers.values() if c.dtype.kind == "f"]
    return np.flatnonzero(np.any(wrong, axis=0)).tolist() if wrong else []


def _example(task: Task, raw: Any, answers: Answers, place: int) -> dict[str, Any]:
    first, *more = answers
    probability = float(answers["probability"][place]) if "probability" in more else None
    answer = answers[first][place]
    return {
        "picture": as_text(task.picture(raw)),
        "predicted": str(answer) if first == "label" else f"{float(answer):.4g}",
        "probability": probability,
    }


def _mistake(task: Task, mistake: Mistake) -> dict[str, Any]:
    return {
        "picture": as_text(task.picture(mistake.raw)),
        "true": mistake.true,
        "predicted": mistake.answer,
        "probability": mistake.probability,
        "input": mistake.name,
    }


def _read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches, which a thread reads meanwhile: it begins at once."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(AHEAD)

    def read() -> None:
        try:
            for batch in batches:
                ready.put(batch)
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=read, name="reader", daemon=True).start()
    return _taken(ready)


def _taken(ready: queue.Queue[Batch | BaseException | None]) -> Iterator[Batch]:
    while (next_one := ready.get()) is not None:
        if isinstance(next_one, BaseException):
            raise next_one
        yield next_one
