"""Arrays in files: read piece by piece, with labels where there are some."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.catalog.inputs.arrays import ArrayFile
from shackdoo.errors import DataError, RequestError

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5])


def idx(array: np.ndarray[Any, Any]) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def read(source: ArrayFile, size: int = 2) -> tuple[np.ndarray[Any, Any], list[Any], list[str]]:
    batches = list(source.batches(size))
    assert all(len(batch.names) <= size for batch in batches)
    inputs = np.concatenate([batch.inputs for batch in batches])
    labels = [label for batch in batches for label in batch.labels]
    return inputs, labels, [name for batch in batches for name in batch.names]


def test_npy_is_read_in_pieces_and_named_by_position(tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    np.save(file, IMAGES)
    source = ArrayFile(file)
    assert source.count == 5
    inputs, labels, names = read(source)
    np.testing.assert_array_equal(inputs, IMAGES)
    assert labels == []
    assert names == [f"{file}[{place}]" for place in range(5)]
    assert source.data().sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_big_endian_numbers_come_in_the_order_of_this_machine(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES.astype(">f4"))
    inputs, _, _ = read(ArrayFile(tmp_path / "x.npy"))
    assert inputs.dtype.isnative
    np.testing.assert_array_equal(inputs, IMAGES)


def test_npz_has_labels_by_their_usual_names(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=IMAGES, y=LABELS)
    inputs, labels, _ = read(ArrayFile(tmp_path / "a.npz"))
    np.testing.assert_array_equal(inputs, IMAGES)
    assert labels == [3, 1, 4, 1, 5]


def test_npz_with_one_array_and_with_labels_of_another_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", pixels=IMAGES)
    assert read(ArrayFile(tmp_path / "one.npz"))[1] == []
    np.savez(tmp_path / "two.npz", pixels=IMAGES, digit=np.eye(6)[LABELS])
    assert read(ArrayFile(tmp_path / "two.npz", "digit"))[1] == [3, 1, 4, 1, 5]


def test_npz_that_can_mean_several_things_is_asked_about(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=IMAGES, right=IMAGES)
    with pytest.raises(RequestError, match=r"has the arrays left, right; which of them"):
        ArrayFile(tmp_path / "a.npz")
    with pytest.raises(RequestError, match=r"has no array 'digit' for labels\. It has: left"):
        ArrayFile(tmp_path / "a.npz", "digit")


def test_idx_is_read_packed_or_not_with_the_labels_beside_it(tmp_path: Path) -> None:
    (tmp_path / "t-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "t-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    inputs, labels, _ = read(ArrayFile(tmp_path / "t-images-idx3-ubyte.gz"))
    np.testing.assert_array_equal(inputs, IMAGES)
    assert labels == [3, 1, 4, 1, 5]
    (tmp_path / "alone.idx").write_bytes(idx(IMAGES))
    assert read(ArrayFile(tmp_path / "alone.idx"))[1] == []


def test_an_array_of_the_shape_of_an_input_is_one_input(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES[0])
    assert ArrayFile(tmp_path / "x.npy", expected=(4, 3)).count == 1
    assert ArrayFile(tmp_path / "x.npy", expected=(9, 9)).count == 4


def test_another_number_of_labels_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS[:3])
    with pytest.raises(DataError, match="has 5 inputs but another number of labels: 3"):
        ArrayFile(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.npy", b"", "doesn't begin as a npy or idx file does"),
        ("x.npy", b"hello world", "doesn't begin as a npy or idx file does"),
        ("x.npz", b"hello world", "not a zip file"),
        ("x.idx", idx(IMAGES)[:6], "it ends before all the numbers"),
        ("x.idx", b"\x1f\x8b" + b"rubbish", "can't be read"),
    ],
)
def test_a_damaged_head_is_told(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=reason):
        ArrayFile(tmp_path / name)


def test_a_file_cut_short_ends_in_an_error_and_not_in_fewer_answers(tmp_path: Path) -> None:
    (tmp_path / "x.idx").write_bytes(idx(IMAGES)[:-1])
    source = ArrayFile(tmp_path / "x.idx")
    with pytest.raises(DataError, match="it ends before all the numbers that its header promises"):
        list(source.batches(2))


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(DataError, match="it holds Python objects, which are never loaded"):
        ArrayFile(tmp_path / "x.npy")


def test_memory_holds_a_batch_and_not_the_file(tmp_path: Path) -> None:
    import tracemalloc

    rows = np.zeros((4000, 64, 64), np.uint8)  # 16 MB
    np.save(tmp_path / "x.npy", rows)
    source = ArrayFile(tmp_path / "x.npy")
    tracemalloc.start()
    try:
        seen = sum(len(batch.names) for batch in source.batches(100))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 4000
    assert peak < 6_000_000


def test_labels_must_be_one_an_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, other=IMAGES)
    with pytest.raises(
        RequestError, match=r"are an array of the shape 5 x 4 x 3; there must be one"
    ):
        ArrayFile(tmp_path / "a.npz", "other")


def test_an_ending_in_capitals_is_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES)
    (tmp_path / "a.npz").rename(tmp_path / "A.NPZ")
    assert ArrayFile(tmp_path / "A.NPZ").count == 5


def test_fortran_order_says_how_to_write_it_the_other_way(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(IMAGES))
    with pytest.raises(DataError, match=r"np\.save\(name, np\.ascontiguousarray\(array\)\)"):
        ArrayFile(tmp_path / "x.npy")
