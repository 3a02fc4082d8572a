"""One checkpoint: the whole state of a training in one file, guarded by a checksum.

The file is a line with the format and the sha256 of all that follows, then an npz archive: each
array under its name, and everything that is no array as JSON. Nothing in it is pickled, so a
file from elsewhere can't run code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shackdoo.errors import RunError

FORMAT = b"shackdoo-checkpoint-1"
DIGEST = 64  # hexadecimal digits
META = "meta"
ARRAY = "a/"  # before the name of an array in the archive
NATIVE = "biufcSU"  # kinds of dtype that an npz holds by itself

Array = np.ndarray[Any, Any]


class DamagedError(Exception):
    """A file that is no checkpoint, or not the one that was written."""


@dataclass(frozen=True)
class Position:
    """How far a training is.

    Attributes:
        epoch: number of the present epoch, from 0.
        step: training steps of it that are done; all of them before its validation.
        seconds: spent on these steps.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """The state of a training between two steps.

    Attributes:
        position: how far it is.
        arrays: every variable, by a name that is the same in another process.
        state: what is no variable, JSON-ready but for the arrays in it.
        steps: training steps done since the beginning.
    """

    position: Position
    arrays: Mapping[str, Array]
    state: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0


def write_checkpoint(path: Path, snapshot: Snapshot) -> None:
    """Write a checkpoint so that the file is whole or absent, also after a power cut.

    Raises:
        OSError: if the disk doesn't take it; then nothing of it is left.
    """
    payload = _payload(snapshot)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(b"%s %s\n" % (FORMAT, hashlib.sha256(payload).hexdigest().encode()))
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_checkpoint(path: Path) -> Snapshot:
    """Return what :func:`write_checkpoint` wrote.

    Raises:
        DamagedError: if the file is not whole, with the reason.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"it can't be read: {error.strerror}") from None
    head, _, payload = content.partition(b"\n")
    if head[: len(FORMAT)] != FORMAT or len(head) != len(FORMAT) + 1 + DIGEST:
        raise DamagedError("its first line is not that of a checkpoint of this version")
    if hashlib.sha256(payload).hexdigest().encode() != head[-DIGEST:]:
        raise DamagedError("its content does not match its checksum")
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        meta = json.loads(archive[META].tobytes())
        stored = {name: archive[f"{ARRAY}{name}"] for name in meta["dtypes"]}
    found = {name: _restored(array, meta["dtypes"][name]) for name, array in stored.items()}
    arrays = {name: found[name] for name in meta["variables"]}
    state = _decoded(meta["state"], found)
    return Snapshot(Position(**meta["position"]), arrays, state, meta["steps"])


def _payload(snapshot: Snapshot) -> bytes:
    arrays = dict(snapshot.arrays)
    state = _encoded(snapshot.state, arrays)
    meta = {
        "position": vars(snapshot.position),
        "steps": snapshot.steps,
        "variables": list(snapshot.arrays),
        "dtypes": {name: array.dtype.name for name, array in arrays.items()},
        "state": state,
    }
    stored = {f"{ARRAY}{name}": _storable(array) for name, array in arrays.items()}
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    target = io.BytesIO()
    np.savez(target, allow_pickle=False, **{META: text, **stored})
    return target.getvalue()


def _storable(array: Array) -> Array:
    """Return the array in a type that npz knows: of bfloat16 and the like their bytes."""
    if array.dtype.kind in NATIVE:
        return array
    bytes_each = array.dtype.itemsize
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(*array.shape, bytes_each)


def _restored(stored: Array, dtype: str) -> Array:
    if stored.dtype.name == dtype:
        return stored
    import ml_dtypes

    restored: Array = stored.reshape(-1).view(np.dtype(getattr(ml_dtypes, dtype)))
    return restored.reshape(stored.shape[:-1])


def _encoded(value: Any, arrays: dict[str, Array]) -> Any:
    """Return a value JSON-ready; arrays in it go to ``arrays`` under names of their own.

    Raises:
        RunError: if something in it is neither.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        name = f"state/{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"scalar" if isinstance(value, np.generic) else "array": name}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_encoded(each, arrays) for each in value]}
    if isinstance(value, Mapping):
        pairs = [[_encoded(k, arrays), _encoded(v, arrays)] for k, v in value.items()]
        return {"mapping": pairs}
    raise RunError(f"A {type(value).__name__} can't be kept in a checkpoint.")


def _decoded(value: Any, arrays: Mapping[str, Array]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "array":
            return arrays[content]
        case "scalar":
            return arrays[content][()]
        case "mapping":
            return {_decoded(k, arrays): _decoded(v, arrays) for k, v in content}
        case _:
            items = [_decoded(each, arrays) for each in content]
            return tuple(items) if kind == "tuple" else items


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
