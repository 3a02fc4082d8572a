"""Rows are gathered as NumPy's own indexing does, into memory that a tensor takes over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.training.rows import ALIGNMENT, gather, is_sharable

POSITIONS = np.array([4, 0, -1, 4, 2])
DTYPES = (
    "bool",
    "uint8",
    "int16",
    "int64",
    "float16",
    "float32",
    "float64",
    ">f4",
    "c8",
    "U3",
    "O",
)


def numbers(dtype: str, *shape: int) -> np.ndarray[Any, Any]:
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 2, 0), (5, 7, 3)])
def test_as_numpy_does(dtype: str, shape: tuple[int, ...]) -> None:
    array = numbers(dtype, *shape)
    found = gather(array, POSITIONS)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array[POSITIONS])
    assert not np.shares_memory(found, array)


def test_of_views_and_files(tmp_path: Path) -> None:
    array = numbers("float32", 10, 4)
    np.testing.assert_array_equal(gather(array[::2, 1:3], POSITIONS), array[::2, 1:3][POSITIONS])
    np.save(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    found = gather(mapped, POSITIONS)
    assert type(found) is np.ndarray
    assert is_sharable(found)
    np.testing.assert_array_equal(found, array[POSITIONS])


def test_of_what_is_no_array() -> None:
    class Reader:
        """What reads a row when it is asked for it."""

        def __len__(self) -> int:
            return 5

        def __getitem__(self, positions: Any) -> Any:
            return positions * 2

    np.testing.assert_array_equal(gather(Reader(), POSITIONS), POSITIONS * 2)  # type: ignore[arg-type]


def test_none() -> None:
    found = gather(numbers("float32", 5, 3), POSITIONS[:0])
    assert (found.shape, found.dtype) == ((0, 3), np.float32)


@pytest.mark.parametrize("position", [5, -6])
@pytest.mark.parametrize("dtype", ["float32", "O"])
def test_a_position_outside(position: int, dtype: str) -> None:
    with pytest.raises(IndexError, match="is out of bounds"):
        gather(numbers(dtype, 5), np.array([0, position]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_a_tensor_takes_over(dtype: str) -> None:
    native_number = dtype not in (">f4", "c8", "U3", "O")
    for rows in range(1, 40):
        found = gather(numbers(dtype, 5, 3), np.zeros(rows, np.int64))
        assert is_sharable(found) == native_number


def moved(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    memory = np.empty(array.nbytes + 2 * ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT + array.itemsize
    return memory[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)


def locked(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "change", [moved, locked, lambda array: array[:, ::2], lambda array: [1.0]]
)
def test_what_it_must_copy(change: Callable[[Any], Any]) -> None:
    assert not is_sharable(change(gather(numbers("float32", 5, 4), POSITIONS)))


def test_the_tensor_has_the_very_memory() -> None:
    import tensorflow as tf

    from shackdoo.training.programs import _tensor

    if tf.config.get_visible_devices("GPU"):
        pytest.skip("a GPU has memory of its own")
    gathered = gather(numbers("float32", 5, 3), POSITIONS)
    tensor = _tensor(gathered)
    assert tensor.numpy().tolist() == gathered.tolist()
    gathered[0, 0] = -1.0
    assert tensor[0, 0].numpy() == -1.0
    kept = numbers("float32", 5, 3)
    shifted = moved(kept)
    shifted[:] = kept
    tensor = _tensor(shifted)
    shifted[:] = -1.0
    np.testing.assert_array_equal(tensor.numpy(), kept)
