"""Task: what an experiment is. A user's class overrides hooks; the flows stay as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from shackdoo.errors import DataError, RunError, TaskError
from shackdoo.training.answers import (
    LABELLED,
    Answers,
    ClassNames,
    class_answers,
    class_probabilities,
    plain_answers,
    reading_of,
)
from shackdoo.training.dataset import Dataset, Split, hold_out
from shackdoo.training.devices import placement
from shackdoo.training.findings import (
    Part,
    class_count,
    classification_parts,
    data_parts,
    regression_parts,
)
from shackdoo.training.own_fit import told_of_fit
from shackdoo.training.picture import as_picture
from shackdoo.training.scores import ClassScores, Scores, ValueScores

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from shackdoo.catalog import Catalog
    from shackdoo.config.schema import Config
    from shackdoo.training.checkpoints import Checkpoints
    from shackdoo.training.loop import Evaluation, Loop, LoopOptions, Observer


@dataclass(frozen=True)
class Result:
    """What :meth:`Task.run` returns.

    Attributes:
        model: the trained Keras model.
        history: metric name to one value an epoch.
        metrics: the run's final numbers: last epoch's, and ``test_…`` if there is a test split.
        test: metrics and predictions on the test split, or None without one.
        xla: whether XLA has compiled the training, None if that is not known.
    """

    model: keras.Model
    history: dict[str, list[float]]
    metrics: dict[str, float]
    test: Evaluation | None
    xla: bool | None = None


@dataclass(frozen=True)
class Training:
    """What a training begins with, and where its state is kept.

    Attributes:
        checkpoints: where.
        weights: a ``.keras`` file whose weights the model starts with, or None.
    """

    checkpoints: Checkpoints
    weights: Path | None = None

    def prepare(self, loop: Loop) -> None:
        """Hand it to the loop, before it trains."""
        loop.checkpoints = self.checkpoints
        if self.weights is not None:
            from shackdoo.training.build import load_weights

            load_weights(loop.model, self.weights)


class Task:
    """One experiment: three flows that hand their results on by return value.

    ``fetch_data`` → ``preprocessing_train`` → ``run``. Write a subclass, override hooks, and
    give it a YAML of the same name under ``conf/task``. A subclass that differs in
    hyperparameters only has a docstring for a body; its values stand in its YAML.

    A task knows neither the configuration's files nor the tracking server. Import Keras inside
    the hooks, so that a task can be checked in a moment without it.

    Attributes:
        config: the whole configuration, frozen.
        parameters: ``task.parameters``, checked by :class:`Parameters`.
        catalog: data by name.
    """

    class Parameters(BaseModel):
        """Types and bounds of ``task.parameters``; the values stand in the YAML.

        A subclass that needs more extends it: ``class Parameters(Mnist_A.Parameters): …``.
        """

        model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

        epochs: PositiveInt
        batch_size: PositiveInt
        evaluation_batch_size: PositiveInt
        validation_fraction: float = Field(ge=0, lt=1)
        max_steps_per_epoch: PositiveInt | None
        drop_remainder: bool

    parameters: Parameters

    def __init__(self, config: Config, catalog: Catalog) -> None:
        self.config = config
        self.catalog = catalog
        self.parameters = type(self).Parameters.model_validate(dict(config.task.parameters))

    @classmethod
    def lineage(cls) -> list[type[Task]]:
        """Return the class and its parents up to ``Task``, nearest first."""
        return [parent for parent in cls.__mro__ if issubclass(parent, Task)]

    # ── flows ────────────────────────────────────────────────────────────────────────────────

    def fetch_data(self) -> Any:
        """Return the raw data, as the catalog reads them."""
        return self.catalog.load(self.config.task.data)

    def preprocessing_train(self, raw: Any) -> Dataset:
        """Return the splits to train, validate and test on."""
        train, test = (part and self._prepared(part) for part in self.splits(raw))
        if train is None:
            raise DataError(f"{type(self).__name__}.splits returned no training split.")
        fraction = self.parameters.validation_fraction
        train, validation = hold_out(train, fraction, self.config.seed)
        return Dataset(train, validation, test)

    def run(self, dataset: Dataset, observer: Observer, training: Training | None = None) -> Result:
        """Build, train and evaluate a model; the test split is used once, at the end.

        Args:
            dataset: what :meth:`preprocessing_train` returned.
            observer: told how it goes.
            training: what it begins with and where its state is kept; None for nothing and nowhere.
        """
        loop = self.prepared_loop(len(dataset.train), observer, training)
        with told_of_fit(loop, type(self).__name__):
            history = self.train(loop, dataset)
        test = loop.evaluate(dataset.test) if dataset.test is not None else None
        return Result(loop.model, history, self.final_metrics(history, test), test, loop.xla)

    # ── hooks: override these ────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Raise a TaskError if the parameters can't go with the data; nothing is loaded yet."""
        examples = self.catalog.examples(self.config.task.data)
        if examples is None:
            return
        left = examples - round(examples * self.parameters.validation_fraction)
        if self.parameters.batch_size > left:
            raise TaskError(
                f"task.parameters.batch_size is {self.parameters.batch_size}, but "
                f"'{self.config.task.data}' has {left} training examples "
                f"({examples} less those held out for validation). Choose at most {left}.",
                key="task.parameters.batch_size",
            )

    def splits(self, raw: Any) -> tuple[Split, Split | None]:
        """Return the training and the test split of the raw data.

        The default takes ``((train_inputs, train_targets), (test_inputs, test_targets))``.
        """
        try:
            (train_inputs, train_targets), (test_inputs, test_targets) = raw
        except (TypeError, ValueError):
            raise DataError(
                f"The data '{self.config.task.data}' are not ((train inputs, train targets), "
                f"(test inputs, test targets)), but {_told(raw)}. Override "
                f"{type(self).__name__}.splits: it returns two "
                f"shackdoo.training.dataset.Split(inputs, targets), for training and for test."
            ) from None
        return Split(train_inputs, train_targets), Split(test_inputs, test_targets)

    def refusals(self, inputs: Any) -> Mapping[int, str]:
        """Return why an input can't be understood, by its position; what is fine is not named.

        Asked before :meth:`prepare` wherever inputs come from outside: ``infer``, a served model.

        Args:
            inputs: an array ``(inputs, …)``, or a list of arrays that differ in their shapes.
        """
        return {}

    def forms(self, inputs: Any) -> Mapping[str, int]:
        """Return how inputs look as they come, in words, and how many look so; for people."""
        if isinstance(inputs, np.ndarray):
            return {_form(inputs.shape[1:], inputs.dtype): len(inputs)}
        return dict(Counter(_form(np.shape(one), np.asarray(one).dtype) for one in inputs))

    def prepare(self, inputs: Any) -> Any:
        """Return inputs as the model takes them.

        The same in training, in ``infer`` and in a served model. The default changes nothing;
        what can be done in Keras layers is better off inside the model.

        Args:
            inputs: as :meth:`splits` has them, or as files hold them: an array ``(inputs, …)``
                where all have one shape, else a list of arrays.
        """
        return inputs

    def build_model(self) -> keras.Model:
        """Return the untrained model."""
        raise NotImplementedError(f"{type(self).__name__} must define build_model().")

    def loss(self) -> Any:
        """Return the loss, as ``compile`` takes it."""
        raise NotImplementedError(f"{type(self).__name__} must define loss().")

    def metrics(self) -> list[Any]:
        """Return the metrics, as ``compile`` takes them."""
        return []

    def augment(self, inputs: Any, seed: Any) -> Any:
        """Return a random change of a batch of training inputs, in TensorFlow ops.

        Args:
            inputs: a batch, as the split holds it.
            seed: int32 tensor of shape (2,), the same whenever this step of this epoch is run;
                hand it to ``tf.random.stateless_…`` ops.
        """
        return inputs

    def class_weight(self, dataset: Dataset) -> Mapping[int, float] | None:
        """Return the weight of each class in the loss, or None for all alike."""
        return None

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the Keras callbacks: those of ``callbacks`` in the configuration."""
        from shackdoo.training.build import build_callbacks

        return build_callbacks(self.config.callbacks)

    def compile_model(self, model: keras.Model, total_steps: int) -> keras.Model:
        """Return ``model`` compiled with the optimizer of the configuration."""
        from shackdoo.training.build import build_optimizer

        optimizer = build_optimizer(self.config.optimizer, total_steps)
        model.compile(optimizer=optimizer, loss=self.loss(), metrics=self.metrics())
        return model

    def train(self, loop: Loop, dataset: Dataset) -> dict[str, list[float]]:
        """Train and return the history.

        An override may call ``loop.model.fit`` itself; the order of examples, XLA under
        determinism and exact resume are then its own affair, and a line says so of the last.
        """
        return loop.fit(dataset.train, dataset.validation, self.class_weight(dataset))

    # ── hooks: what the model's outputs say ──────────────────────────────────────────────────

    def class_names(self) -> ClassNames | None:
        """Return the names of the classes in the order of the outputs; None: their numbers."""
        return None

    def answers(self, outputs: Any) -> Answers:
        """Return what the model's outputs say, one row an input: what ``infer`` writes.

        The default tells by the loss whether the model classifies.

        Returns:
            Name to column. Of a classifier ``label``, ``probability`` and a column a class; else
            a column a number of the outputs.
        """
        probabilities = self.probabilities(outputs)
        if probabilities is None:
            return plain_answers(outputs)
        return class_answers(probabilities, self.classes(probabilities.shape[1]))

    def probabilities(self, outputs: Any) -> np.ndarray[Any, Any] | None:
        """Return the probability of each class, ``(inputs, classes)``, None if there are none."""
        reading = reading_of(self.loss())
        return None if reading is None else class_probabilities(outputs, reading)

    def classes(self, count: int) -> ClassNames:
        """Return the names of ``count`` classes; their numbers from 0 on if they have none.

        Raises:
            RunError: if there are more names or fewer.
        """
        names = self.class_names() or range(count)
        if len(names) != count:
            raise RunError(
                f"{type(self).__name__}.class_names() has {len(names)} names, but the model tells "
                f"{count} classes apart. Give a name for each, in the order of its outputs."
            )
        return names

    def scores(self, answers: Answers, worst: int) -> Scores | None:
        """Return what counts how good answers are, or None if nothing here can.

        Args:
            answers: some of them, for their columns.
            worst: how many mistakes to keep.
        """
        if {"label", "probability"} <= set(answers):
            return ClassScores([name for name in answers if name not in LABELLED], worst)
        numeric = all(column.dtype.kind in "iuf" for column in answers.values())
        return ValueScores(worst) if len(answers) == 1 and numeric else None

    def picture(self, one: Any) -> np.ndarray[Any, Any] | None:
        """Return how one input looks, or None if it is no picture.

        Args:
            one: an input, before or after :meth:`prepare`.

        Returns:
            uint8 of shape ``(height, width)`` or ``(height, width, 3)``.
        """
        return as_picture(one)

    def confusion(self, dataset: Dataset, test: Evaluation) -> np.ndarray[Any, Any] | None:
        """Return counts of (true, predicted) classes on the test split, or None.

        The default fits a classifier: one row of class scores an example, integer targets.

        Returns:
            int64 of shape ``(classes, classes)``: row = true, column = predicted.
        """
        scores: Any = test.predictions
        targets: Any = dataset.test.targets if dataset.test is not None else None
        if not _classifies(scores, targets):
            return None
        classes = scores.shape[1]
        cells = targets.reshape(-1).astype(np.int64) * classes + scores.argmax(axis=1)
        return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)

    def report_parts(self, dataset: Dataset, test: Evaluation | None) -> list[Part]:
        """Return what the report shows beside curves and metrics, JSON-ready and small.

        The default fits classifiers and models of one number; of others it shows the data.

        Returns:
            Parts as :mod:`shackdoo.training.findings` lists them. An override may add some to
            ``super().report_parts(dataset, test)``: ``{"kind": "text", "title": …, "text": …}``.
        """
        if reading_of(self.loss()) is None:
            if test is None or dataset.test is None:
                return []
            return regression_parts(dataset.test, test.predictions, self.picture)
        names = self.classes(class_count(dataset, None if test is None else test.predictions))
        parts = data_parts(dataset, names, self.picture)
        if test is None or dataset.test is None:
            return parts
        probabilities, counts = self.probabilities(test.predictions), self.confusion(dataset, test)
        if probabilities is None:
            return parts
        split = dataset.test
        return parts + classification_parts(split, probabilities, names, counts, self.picture)

    def _built_model(self) -> keras.Model:
        from shackdoo.training.build import without_lambdas

        return without_lambdas(self.build_model())

    def _prepared(self, split: Split) -> Split:
        return replace(split, inputs=self.prepare(split.inputs))

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def loop_options(self) -> LoopOptions:
        """Return how to train, from the parameters and the configuration."""
        from shackdoo.training.loop import LoopOptions

        parameters = self.parameters
        return LoopOptions(
            seed=self.config.seed,
            epochs=parameters.epochs,
            batch_size=parameters.batch_size,
            evaluation_batch_size=parameters.evaluation_batch_size,
            drop_remainder=parameters.drop_remainder,
            max_steps_per_epoch=parameters.max_steps_per_epoch,
            xla=self.config.strategy.xla,
            report_every=self.config.tracking.every_steps,
        )

    def prepared_loop(
        self, examples: int, observer: Observer, training: Training | None = None
    ) -> Loop:
        """Return the loop that is about to train a new model on so many examples.

        Args:
            examples: of the training split.
            observer: told how it goes.
            training: what it begins with and where its state is kept; None for nothing and nowhere.
        """
        options = self.loop_options()
        with placement(self.config.strategy):
            model = self.compile_model(self._built_model(), options.total_steps(examples))
        loop = self.loop(model, options, observer)
        if training is not None:
            training.prepare(loop)
        return loop

    def loop(self, model: keras.Model, options: LoopOptions, observer: Observer) -> Loop:
        """Return the loop that trains ``model``."""
        from shackdoo.training.loop import Loop

        changes = type(self).augment is not Task.augment
        augment = self.augment if changes else None
        return Loop(model, options, observer, self.callbacks(), augment)

    @staticmethod
    def final_metrics(
        history: Mapping[str, list[float]], test: Evaluation | None
    ) -> dict[str, float]:
        """Return each metric's last value, and those of the test split as ``test_…``."""
        final = {name: values[-1] for name, values in history.items()}
        return final | {
            f"test_{name}": value for name, value in (test.metrics if test else {}).items()
        }


def _told(raw: Any) -> str:
    """Return what raw data are, in a few words."""
    if isinstance(raw, np.ndarray):
        return f"an array {raw.dtype}{list(raw.shape)}"
    if isinstance(raw, Mapping):
        return f"{len(raw)} items: " + ", ".join(f"'{k}' ({_told(v)})" for k, v in raw.items())
    return f"{type(raw).__name__}"


def _form(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"{' x '.join(map(str, shape)) or 'a number'}, {dtype}"


def _classifies(scores: Any, targets: Any) -> bool:
    return (
        isinstance(scores, np.ndarray)
        and isinstance(targets, np.ndarray)
        and scores.ndim == 2
        and scores.shape[1] > 1
        and targets.dtype.kind in "iu"
        and targets.size == len(scores)
    )
