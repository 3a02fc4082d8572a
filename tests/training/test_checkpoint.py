"""A checkpoint holds all of a snapshot, or is told to be damaged."""

from __future__ import annotations

import stat
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from shackdoo.errors import RunError
from shackdoo.training.checkpoint import (
    DamagedError,
    Position,
    Snapshot,
    read_checkpoint,
    write_checkpoint,
)

STATE = {
    "number": 0.1,
    "nothing": None,
    "infinite": float("inf"),
    "list": [1, "two", [3.0]],
    "tuple": (1, (2,)),
    "by number": {1: "one", "two": 2},
    "scalar": np.float32(0.1),
    "weights": [np.arange(3), np.eye(2, dtype=np.float32)],
}


def snapshot() -> Snapshot:
    arrays = {
        "0 kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "1 half": np.array([[0.5, -2.0]], dtype=ml_dtypes.bfloat16),
        "2 count": np.array(7, dtype=np.int64),
        "3 scalar of few bits": np.array(1.5, dtype=ml_dtypes.bfloat16),
    }
    return Snapshot(Position(3, 17, 1.25), arrays, STATE, 123)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some.ckpt"
    write_checkpoint(path, snapshot())
    read = read_checkpoint(path)
    assert (read.position, read.steps) == (Position(3, 17, 1.25), 123)
    assert list(read.arrays) == list(snapshot().arrays)
    for name, array in snapshot().arrays.items():
        found = read.arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
    assert {**read.state, "scalar": 0, "weights": 0} == {**STATE, "scalar": 0, "weights": 0}
    assert read.state["scalar"] == np.float32(0.1)
    assert isinstance(read.state["scalar"], np.float32)
    for found, array in zip(read.state["weights"], STATE["weights"], strict=True):
        np.testing.assert_array_equal(found, array, strict=True)


def test_it_is_the_owners_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "some.ckpt"
    write_checkpoint(path, snapshot())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "some.ckpt"
    write_checkpoint(path, snapshot())
    whole = path.read_bytes()
    for place in (*range(0, 90), *range(90, len(whole), 97), len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"its (first line|content)"):
            read_checkpoint(path)


@pytest.mark.parametrize("length", [0, 1, 80, 86, 87, 200])
def test_a_torn_file_is_noticed(tmp_path: Path, length: int) -> None:
    path = tmp_path / "some.ckpt"
    write_checkpoint(path, snapshot())
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedError):
        read_checkpoint(path)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="it can't be read: No such file or directory"):
        read_checkpoint(tmp_path / "none.ckpt")


def test_what_can_not_be_kept(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"A PosixPath can't be kept in a checkpoint\."):
        write_checkpoint(tmp_path / "x.ckpt", Snapshot(Position(), {}, {"file": tmp_path}))
    assert not list(tmp_path.iterdir())
