"""What a run leaves: its model, fingerprints of its weights and predictions, and the last lines."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shackdoo.provenance.fingerprint import array_digest, fingerprint
from shackdoo.tracking.tracker import Artifact, Model, Tensor
from shackdoo.training.dataset import leaves

if TYPE_CHECKING:
    import keras

    from shackdoo.task import Result

REQUIREMENTS = ("tensorflow", "keras", "numpy")  # what a logged model loads with


def fingerprints(result: Result) -> dict[str, Any]:
    """Return digests of all weights and of the test predictions, and each metric exactly."""
    weights = enumerate(result.model.weights)  # paths alone need not be unique
    return {
        "weights": fingerprint({f"{n} {weight.path}": weight.numpy() for n, weight in weights}),
        "predictions_sha256": result.test and _digest(result.test.predictions),
        "metrics": result.metrics,
    }


def save_model(model: keras.Model, path: Path) -> Model | Artifact:
    """Save the model so that the file is whole or absent; return what is to be recorded of it.

    A model that does not know its inputs (a subclass of ``keras.Model`` with a ``call`` of its
    own) has no signature and can't be loaded without its code: it is recorded as a file.
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
        requirements=tuple(f"{name}=={version(name)}" for name in REQUIREMENTS),
    )


def print_result(result: Result, model: Path, weights: str, uid: str) -> None:
    """Print the result, the only lines on standard output."""
    shown = {k: v for k, v in result.metrics.items() if k.startswith(("val_", "test_"))}
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
