"""A trained model as TensorFlow's SavedModel, for TF Serving.

An adapter of Keras: import it where it is needed.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import keras

from shackdoo.errors import RunError

VERSION = "1"  # TF Serving looks for numbered folders, and serves the highest


def export(keras_file: Path, target: Path) -> Path:
    """Write a ``.keras`` file as the SavedModel ``target/1``; it is whole or absent.

    Args:
        keras_file: opened in Keras' safe mode; its ending may be another.
        target: a folder that does not exist, or is empty.

    Returns:
        The folder of the SavedModel.

    Raises:
        RunError: if the model can't be loaded so, or the folder can't be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            _load(keras_file, Path(scratch)).export(
                Path(scratch) / "whole" / VERSION, verbose=False
            )
            (Path(scratch) / "whole").rename(target)
    except OSError as error:
        raise RunError(
            f"The SavedModel {target} can't be written: {error.strerror or error}. Name another "
            f"folder, or make room there."
        ) from error
    return target / VERSION


def _load(keras_file: Path, scratch: Path) -> keras.Model:
    named = Path(shutil.copyfile(keras_file, scratch / "model.keras"))  # Keras goes by the ending
    try:
        return keras.saving.load_model(named, compile=False, safe_mode=True)
    except Exception as error:  # whatever a damaged or foreign file makes Keras raise
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(
            f"The model can't be loaded in Keras' safe mode: {first.partition(' If you trust')[0]} "
            f"Name another run."
        ) from error
