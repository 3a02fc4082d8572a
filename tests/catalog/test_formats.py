"""npy, npz and idx: round trips, and faults that name the file."""

import gzip
import io
import pickle
import struct

import numpy as np
import pytest

from shackdoo.catalog.formats import decode
from shackdoo.errors import DataError

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def idx(array, code):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_npy_comes_back(pack):
    loaded = decode(pack(npy(ARRAY)), "npy", "a.npy")
    assert loaded.dtype == ARRAY.dtype and loaded.flags.writeable
    assert (loaded == ARRAY).all()


def test_npz_comes_back_as_a_dictionary():
    loaded = decode(npz(images=ARRAY, labels=ARRAY[0]), "npz", "a.npz")
    assert list(loaded) == ["images", "labels"]
    assert (loaded["images"] == ARRAY).all() and (loaded["labels"] == ARRAY[0]).all()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_comes_back(dtype, shape, pack):
    array = ARRAY.astype(dtype).reshape(shape)
    loaded = decode(pack(idx(array, CODES[dtype])), "idx", "a")
    assert (loaded.dtype, loaded.shape) == (array.dtype, shape) and loaded.flags.writeable
    assert (loaded == array).all()


def test_foreign_byte_order_becomes_native():
    loaded = decode(npy(ARRAY.astype(">f4")), "npy", "a")
    assert loaded.dtype == np.dtype("=f4") and (loaded == ARRAY).all()


IDX = idx(ARRAY.astype("u1"), 8)
# Without the time of day: this is part of a test's name, and all workers must agree on it.
GZIPPED = gzip.compress(IDX, mtime=0)
OBJECTS = npy(np.array([print], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("content", "file_format", "fault"),
    [
        (b"", "idx", "it doesn't begin as an idx file does"),
        (b"\0\0", "idx", "it doesn't begin as an idx file does"),
        (b"\0\1" + IDX[2:], "idx", "it doesn't begin as an idx file does"),
        (b"\0\0\x0a" + IDX[3:], "idx", "it doesn't begin as an idx file does"),
        (IDX[:6], "idx", "it doesn't begin as an idx file does"),
        (IDX[:-1], "idx", "its header says 2 x 3 numbers of 1 bytes, 6 bytes; 5 follow"),
        (IDX + b"x", "idx", "its header says 2 x 3 numbers of 1 bytes, 6 bytes; 7 follow"),
        (GZIPPED[:-9], "idx", "Compressed file ended"),
        (b"", "npy", "it doesn't begin as a npy file does"),
        (pickle.dumps(ARRAY), "npy", "it doesn't begin as a npy file does"),
        (npy(ARRAY)[:-4], "npy", ""),
        (npy(ARRAY)[:30], "npy", ""),
        (npy(ARRAY).replace(b"<f4", b"x=("), "npy", ""),
        (OBJECTS, "npy", "Object arrays cannot be loaded when allow_pickle=False"),
        (npy(ARRAY), "npz", "File is not a zip file"),
        (npz(a=ARRAY)[:-30], "npz", "File is not a zip file"),
        (npz(a=ARRAY, b=np.array([print])), "npz", "its item 'b.npy': Object arrays cannot be"),
    ],
)
def test_faults_name_the_file_and_the_item(content, file_format, fault):
    with pytest.raises(DataError) as caught:
        decode(content, file_format, "/data/digits")
    message = str(caught.value)
    assert message.startswith(f"/data/digits can't be read as {file_format}: {fault}")
    assert message.endswith(
        ". Put a good file in its place, or correct its format in conf/catalog.yaml."
    )
    assert "\n" not in message
