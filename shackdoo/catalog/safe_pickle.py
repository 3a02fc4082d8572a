"""Pickles of numpy arrays, read without running anything that the file names.

A pickle is a program that may call any function. Here each global it asks for is answered from
a short table of makers of inert records; numpy's own constructors, whose ``__setstate__`` trusts
the file, are never handed out. The records become arrays afterwards, with sizes checked.
"""

from __future__ import annotations

import copyreg
import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

# Numbers, bools, text, bytes and raw records: what is no pointer.
PLAIN_DTYPE = re.compile(r"[biufcSUV]\d{1,9}")
SCALARS = (type(None), bool, int, float, complex, str, bytes, bytearray)
WAY_OUT = "Only numpy arrays, tuples, lists, dictionaries, sets and plain scalars are read."


def loads(content: bytes) -> Any:
    """Return what a pickle holds; arrays are writable and in this machine's byte order.

    Pickles of Python 2 and numpy 1 are read too, their byte strings as Latin-1 text.

    Raises:
        pickle.UnpicklingError: if it asks for anything else than plain data, or is damaged.
            Nothing of it was run.
    """
    copyreg.clear_extension_cache()  # what it holds would be handed out unasked
    try:
        return _Finish().plain(_Unpickler(io.BytesIO(content), encoding="latin1").load())
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged file can raise anything; no code of its own has run
        text = str(error) or type(error).__name__
        raise pickle.UnpicklingError(f"it is damaged: {text}") from None


class _Unpickler(pickle.Unpickler):
    """Answers each global from the table, and knows no persistent ids."""

    def find_class(self, module: str, name: str) -> Any:
        place = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (place, name) not in MAKERS:
            _refuse(f"it asks for '{module}.{name}'")
        return MAKERS[place, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        _refuse(f"it asks for an object outside of it, '{pid}'")


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f"{what}. {WAY_OUT}")


class _Maker:
    """A global as the pickle sees it: it can be called and nothing else."""

    __slots__ = ("_make",)
    _make: Callable[..., Any]

    def __init__(self, make: Callable[..., Any]) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refuse(f"it sets '{name}' of a function")

    def __setstate__(self, state: object) -> NoReturn:
        _refuse("it changes a function")


class _DType:
    """What the file says of a dtype."""

    __slots__ = ("_spec", "_state")

    def __init__(self, spec: str, align: object = False, copy: object = False) -> None:
        if not isinstance(spec, str) or not PLAIN_DTYPE.fullmatch(spec):
            _refuse(f"it has an array of dtype '{spec}'")
        self._spec = spec
        self._state: Any = (3, "|", None, None, None)

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def numpy(self) -> np.dtype[Any]:
        """Return the dtype; numpy checks that fields lie within the record."""
        _, order, base, names, fields = self._state[:5]
        dtype = np.dtype(self._spec)
        if base is not None:
            return np.dtype((_dtype(base[0]), base[1]))
        if names is None:
            return dtype.newbyteorder(order) if order in ("<", ">") else dtype
        formats = [_dtype(fields[name][0]) for name in names]
        offsets = [fields[name][1] for name in names]
        size = dtype.itemsize
        return np.dtype(
            {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size}
        )


def _dtype(record: Any) -> np.dtype[Any]:
    if not isinstance(record, _DType):
        _refuse(f"it has a {type(record).__name__} for a dtype")
    return record.numpy()


class _Array:
    """What the file says of an array or, with shape None, of a scalar."""

    __slots__ = ("_axes", "_content", "_dtype", "_order", "_shape")

    def __init__(
        self, content: Any, dtype: Any, shape: Any, order: str = "C", axes: Any = None
    ) -> None:
        self._content, self._dtype, self._shape = content, dtype, shape
        self._order, self._axes = order, axes

    def __setstate__(self, state: Any) -> None:
        _, self._shape, self._dtype, fortran, self._content = state
        self._order = "F" if fortran else "C"

    def numpy(self) -> Any:
        """Return the array or scalar; there must be as many bytes as the shape says."""
        dtype, content = _dtype(self._dtype), self._content
        shape = () if self._shape is None else tuple(self._shape)
        if isinstance(content, str):  # the bytes of Python 2
            content = content.encode("latin1")
        if not isinstance(content, bytes | bytearray | memoryview):
            _refuse(f"it has an array made of a {type(content).__name__}")
        expected = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or memoryview(content).nbytes != expected:
            _refuse(f"an array of shape {shape} and dtype {dtype} has not {expected} bytes")
        array = _array(shape, dtype, content, fortran=self._order == "F")
        if self._axes is not None:
            array = array.transpose(self._axes)
        return array if self._shape is not None else array[()]


def _array(
    shape: tuple[int, ...], dtype: np.dtype[Any], content: Any, *, fortran: bool
) -> np.ndarray[Any, Any]:
    """Return a writable array of content that has been checked."""
    if isinstance(content, bytes):
        array = np.ndarray((0,), dtype)
        state: Any = (1, shape, dtype, int(fortran), content)
        array.__setstate__(state)  # copies small contents only
        return array
    array = np.ndarray(shape, dtype, content, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=not array.flags.writeable)


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    """Stand in for numpy's function: the empty array that a later state fills."""
    if kind is not NDARRAY:
        _refuse("it has an array of a class of its own")
    return _Array(None, None, ())


def _encode(text: str, encoding: str) -> bytes:
    """Stand in for ``codecs.encode``, by which protocols 0 to 2 write bytes."""
    if encoding != "latin1":
        _refuse(f"it encodes text as '{encoding}'")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    """Stand in for ``bytes``, by which protocols 0 to 2 write an empty one."""
    if arguments not in ((), ([],), ((),)):
        _refuse("it makes bytes of something else")
    return b""


def _bytearray(content: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    """Stand in for ``bytearray``: never of a number, which would be a size."""
    if isinstance(content, str):
        content = _encode(content, encoding)
    if not isinstance(content, bytes):
        _refuse(f"it makes a bytearray of a {type(content).__name__}")
    return bytearray(content)


def _ndarray(*arguments: object) -> NoReturn:
    _refuse("it makes an array without saying of what")


NDARRAY = _Maker(_ndarray)
MAKERS = {
    ("numpy", "dtype"): _Maker(_DType),
    ("numpy", "ndarray"): NDARRAY,
    ("numpy.core.multiarray", "_reconstruct"): _Maker(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Maker(
        lambda dtype, content: _Array(content, dtype, None)
    ),
    ("numpy.core.numeric", "_frombuffer"): _Maker(_Array),
    ("_codecs", "encode"): _Maker(_encode),
    ("builtins", "bytes"): _Maker(_bytes),
    ("builtins", "bytearray"): _Maker(_bytearray),
    ("builtins", "complex"): _Maker(lambda real, imaginary: complex(real, imaginary)),
    ("builtins", "set"): _Maker(set),
    ("builtins", "frozenset"): _Maker(frozenset),
}


class _Finish:
    """Turns records into what they describe, each once however often it is referred to."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}

    def plain(self, item: Any) -> Any:
        """Return ``item`` with numpy's objects in the places of their records."""
        if type(item) in SCALARS:
            return item
        if id(item) not in self._done:
            self._done[id(item)] = self._convert(item)
        return self._done[id(item)]

    def _convert(self, item: Any) -> Any:
        if isinstance(item, _Array | _DType):
            return item.numpy()
        if type(item) is dict:
            return {self.plain(key): self.plain(value) for key, value in item.items()}
        if type(item) in (tuple, list, set, frozenset):
            return type(item)(self.plain(part) for part in item)
        return _refuse(f"it holds a {type(item).__name__.strip('_')}")
