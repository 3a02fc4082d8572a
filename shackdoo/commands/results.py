"""What a run leaves: its model, fingerprints of its weights and predictions, and the last lines."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shackdoo.metric_names import TEST, VALIDATION
from shackdoo.provenance.fingerprint import array_digest, fingerprint
from shackdoo.tracking.tracker import TEXT, Artifact, Model, Tensor
from shackdoo.training.dataset import leaves, map_arrays

if TYPE_CHECKING:
    import keras

    from shackdoo.commands.model_code import ModelCode
    from shackdoo.task import Result, Task

REQUIREMENTS = ("tensorflow", "keras", "numpy")  # what a logged model loads with


def fingerprints(result: Result) -> dict[str, Any]:
    """Return digests of all weights and of the test predictions, and each metric exactly."""
    weights = enumerate(result.model.weights)  # paths alone need not be unique
    return {
        "weights": fingerprint({f"{n} {weight.path}": weight.numpy() for n, weight in weights}),
        "predictions_sha256": result.test and _digest(result.test.predictions),
        "metrics": result.metrics,
    }


def save_model(
    model: keras.Model,
    path: Path,
    code: ModelCode | None = None,
    answers: Mapping[str, str] | None = None,
    register: str | None = None,
) -> Model | Artifact:
    """Save the model so that the file is whole or absent; return what is to be recorded of it.

    A model that does not know its inputs (a subclass of ``keras.Model`` with a ``call`` of its
    own) has no signature and can't be loaded without its code: it is recorded as a file.

    Args:
        model: trained.
        path: where it goes.
        code: what it is to be served with; None for the bare Keras model.
        answers: columns of what its task answers, name to type.
        register: its name in the model registry, with or without an alias.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part.keras")  # Keras goes by the ending
    model.save(part)
    part.replace(path)
    if not getattr(model, "inputs", None):
        return Artifact(path, "model")
    return Model(
        path=path,
        inputs=_tensors(model.inputs),
        outputs=_tensors(model.outputs),
        requirements=(
            *(f"{name}=={version(name)}" for name in REQUIREMENTS),
            *(() if code is None else code.requirements),
        ),
        code=None if code is None else code.path,
        answers=answers,
        register=register,
    )


def answer_types(task: Task, result: Result) -> dict[str, str] | None:
    """Return the columns of what the task answers, name to type; None if nothing shows them."""
    if result.test is not None:
        outputs = map_arrays(lambda leaf: leaf[:1], result.test.predictions)
    elif len(getattr(result.model, "outputs", None) or ()) == 1:
        shape = tuple(1 if size is None else size for size in result.model.outputs[0].shape)
        outputs = np.zeros(shape, result.model.outputs[0].dtype)
    else:
        return None
    return {name: _type(column) for name, column in task.answers(outputs).items()}


def _type(column: np.ndarray[Any, Any]) -> str:
    return TEXT if column.dtype.kind in "OSTU" else column.dtype.name


def print_result(result: Result, model: Path, weights: str, uid: str) -> None:
    """Print the result, the only lines on standard output."""
    shown = {k: v for k, v in result.metrics.items() if k.startswith((VALIDATION, TEST))}
    for name, value in sorted(shown.items()):
        print(f"{name:<15} {value:.4f}")
    print(f"{'model':<15} {model}")
    print(f"{'weights sha256':<15} {weights}")
    print(f"{'run':<15} {uid}")


def _digest(predictions: Any) -> str:
    arrays = leaves(predictions)
    return (
        array_digest(arrays[0])
        if len(arrays) == 1
        else fingerprint({str(place): array for place, array in enumerate(arrays)})["sha256"]
    )


def _tensors(tensors: list[Any]) -> tuple[Tensor, ...]:
    alone = len(tensors) == 1
    return tuple(
        Tensor(
            None if alone else tensor.name,
            np.dtype(tensor.dtype).name,
            tuple(-1 if size is None else size for size in tensor.shape),
        )
        for tensor in tensors
    )
