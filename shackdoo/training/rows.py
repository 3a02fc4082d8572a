"""Rows of an array gathered once, into memory that a tensor can have as its own.

TensorFlow copies what it is given as NumPy arrays, which takes longer than gathering the examples
of an epoch. It takes memory over as it is through DLPack (https://dmlc.github.io/dlpack/), but does
not look whether that begins where its kernels need it to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shackdoo.training.order import Positions

ALIGNMENT = 64  # bytes; what kernels compiled for AVX-512 count on
_SHARED = "biuf"  # kinds of numbers

Array = np.ndarray[Any, Any]


def gather(array: Array, positions: Positions) -> Array:
    """Return the rows at the given positions, in that order, where :func:`is_sharable` holds.

    Args:
        array: shape ``(rows, …)``; any other thing is asked for ``array[positions]``.
        positions: as NumPy takes them, the negative ones from the end.

    Raises:
        IndexError: if a position is outside.
    """
    rows = len(array)
    if type(array) not in (np.ndarray, np.memmap) or array.dtype.kind not in _SHARED:
        return array[positions]
    if len(positions) and not (-rows <= positions.min() and positions.max() < rows):
        raise IndexError(f"a position is out of bounds for {rows} rows")
    target = _aligned((len(positions), *array.shape[1:]), array.dtype)
    # The mode that checks would gather into memory of its own first.
    np.take(array, positions, axis=0, out=target, mode="wrap")
    return target


def is_sharable(array: Any) -> bool:
    """Return whether a tensor of the CPU can have the memory of the array as its own."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype.kind in _SHARED
        and array.dtype.isnative
        and array.dtype.itemsize <= np.dtype(np.int64).itemsize
        and array.flags.c_contiguous
        and array.flags.writeable
        and array.ctypes.data % ALIGNMENT == 0
    )


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)
