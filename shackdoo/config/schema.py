"""Types and bounds of the composed configuration. The values stand in ``conf/``, none here.

Models are frozen. Mappings are read-only views; lists and mappings inside ``task.parameters``
and inside the arguments of a ``_target_`` are plain and to be treated as read-only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from shackdoo.config.registered_name import parse_registered_name

Value = TypeVar("Value")
SHA256 = r"^[0-9a-f]{64}$"
MAX_SEED = 2**31 - 1  # numpy and TensorFlow take it as int32
MAX_PICTURES = 400  # in one picture of many
MAX_DESCRIPTION = 4000  # characters; MLflow holds 5000, and hiding a secret may lengthen a text


def _text_of_scalar(value: object) -> object:
    """Return ``2024`` as ``'2024'``: whoever types a number as a name means its text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _mapping_or_text(value: object) -> object:
    """Refuse what is neither, in one message instead of one for each half of a union."""
    texts = value.values() if isinstance(value, dict) else [value]
    if not value or not all(isinstance(text, str) for text in texts):
        raise ValueError("must be text, or a mapping of names to text")
    return value


def _hexadecimal(value: object) -> object:
    digests = value.values() if isinstance(value, dict) else [value]
    if value is not None and not all(isinstance(d, str) and re.match(SHA256, d) for d in digests):
        raise ValueError("must be 64 hexadecimal digits in lower case, or null")
    return value


def _registered_name(value: str | None) -> str | None:
    return None if value is None else str(parse_registered_name(value))


RegisterAs = Annotated[str | None, AfterValidator(_registered_name)]
ReadOnly = Annotated[Mapping[str, Value], AfterValidator(MappingProxyType)]
Text = Annotated[str, BeforeValidator(_text_of_scalar), StringConstraints(min_length=1)]
FileNames = Annotated[str | ReadOnly[str], BeforeValidator(_mapping_or_text)]
Digests = Annotated[str | ReadOnly[str] | None, BeforeValidator(_hexadecimal)]
Flow = Literal["fetch_data", "preprocessing_train", "run"]
FLOWS: tuple[Flow, ...] = ("fetch_data", "preprocessing_train", "run")


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TargetSpec(_Spec):
    """A class to be made: ``_target_`` and, beside it, the arguments of its constructor."""

    model_config = ConfigDict(extra="allow")

    target: str = Field(alias="_target_", min_length=1)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Return every key beside those the model names, read-only."""
        return MappingProxyType(self.model_extra or {})


class OptimizerSpec(TargetSpec):
    """The optimizer; ``learning_rate`` is the peak if there is a schedule."""

    learning_rate: FiniteFloat = Field(gt=0)
    schedule: TargetSpec | None


class TaskSpec(_Spec):
    """The task: its class, its data, and parameters that the class itself checks."""

    name: Text
    target: str = Field(alias="_target_", min_length=1)
    data: str = Field(min_length=1)
    parameters: ReadOnly[Any]


class CatalogEntry(_Spec):
    """A data set. One of several files maps the same names in ``file`` and ``sha256``.

    ``examples`` counts the training examples in the set, so that a batch larger than the data is
    refused before anything is loaded.
    """

    layer: Literal["raw", "intermediate", "feature", "model", "report"]
    file: FileNames
    format: Literal["pickle", "npz", "npy", "idx"]
    sha256: Digests = None
    source: str | None = None
    examples: PositiveInt | None = None
    description: str = ""

    @model_validator(mode="after")
    def _same_names(self) -> CatalogEntry:
        if isinstance(self.file, str) or self.sha256 is None:
            fits = not isinstance(self.sha256, Mapping)
        else:
            fits = isinstance(self.sha256, Mapping) and set(self.sha256) == set(self.file)
        if not fits:
            raise ValueError("must have the same names in file and sha256")
        return self


class TrackingSpec(_Spec):
    """Where and whether the run is recorded, how much of it, and for how long it is kept here."""

    enabled: bool
    uri: str | None
    required: bool
    wait: FiniteFloat = Field(ge=0)
    every_steps: PositiveInt | None
    system_metrics: Annotated[FiniteFloat, Field(ge=0.1)] | None
    untracked: bool
    also: Annotated[tuple[str, ...], Field(strict=False)]
    keep_days: FiniteFloat | None = Field(ge=0)


class CheckpointSpec(_Spec):
    """How often the whole state of a training is kept, and where."""

    seconds: Annotated[FiniteFloat, Field(ge=0)] | None
    keep: PositiveInt
    ship: Annotated[FiniteFloat, Field(ge=0)] | None


class DeterminismSpec(_Spec):
    """Equal bits from equal inputs."""

    enabled: bool
    threads: PositiveInt | None


class GpuSpec(_Spec):
    """How GPUs are used; nothing of it is seen in a result."""

    memory_growth: bool


class StrategySpec(_Spec):
    """What the training runs on."""

    name: Literal["single"]
    xla: bool


class BestSpec(_Spec):
    """The metric that ranks the runs of a task."""

    metric: str = Field(min_length=1)
    mode: Literal["max", "min"]


class ReportSpec(_Spec):
    """What is drawn at the end of a run, and the language of its report."""

    page: bool
    language: Literal["en", "ja"]
    curves: bool
    confusion_matrix: bool
    worst_mistakes: bool


class Config(_Spec):
    """The whole configuration of a run."""

    experiment: Text
    description: Annotated[Text, Field(max_length=MAX_DESCRIPTION)] | None
    tag: Text
    tags: ReadOnly[Text]
    seed: NonNegativeInt = Field(le=MAX_SEED)
    task: TaskSpec
    optimizer: OptimizerSpec
    callbacks: ReadOnly[TargetSpec]
    catalog: ReadOnly[CatalogEntry]
    tracking: TrackingSpec
    checkpoint: CheckpointSpec
    determinism: DeterminismSpec
    gpu: GpuSpec
    strategy: StrategySpec
    best: BestSpec
    report: ReportSpec
    flows: Annotated[tuple[Flow, ...], Field(strict=False, min_length=1)]
    resume: Literal["auto"] | None
    register_as: RegisterAs = Field(alias="register")  # pydantic has a method of that name
    init_from: Text | None

    @field_validator("flows")
    @classmethod
    def _in_order(cls, flows: tuple[Flow, ...]) -> tuple[Flow, ...]:
        """Refuse a flow without the one whose result it takes."""
        if flows != FLOWS[: len(flows)]:
            raise ValueError(f"must be the first one, two or three of: {', '.join(FLOWS)}")
        return flows


class InferConfig(Config):
    """The whole configuration of an inference: a training's, and what is asked of its model."""

    run: Text
    input: Text
    output: Text | None
    label: Text | None
    split: Literal["test", "train"]
    batch: PositiveInt
    pictures: NonNegativeInt = Field(le=MAX_PICTURES)
    mistakes: NonNegativeInt = Field(le=MAX_PICTURES)
