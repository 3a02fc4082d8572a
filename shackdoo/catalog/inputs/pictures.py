"""Pictures in files: one, a folder of them, or those that a pattern matches."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shackdoo.catalog.inputs.batch import Batch, Label, ReadData, Refusal

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L")
BYTE_RANGE = 257  # from 16 bits to 8
GREY, COLOUR, TRANSPARENT = "L", "RGB", "RGBA"


class PictureError(ValueError):
    """Bytes that are no picture; the message says what they are instead."""


class NoBase64Error(ValueError):
    """A text that is no base64."""


def decode_picture(content: bytes) -> np.ndarray[Any, Any]:
    """Return the picture in the bytes of a file, upright.

    Returns:
        uint8, or float32 if the file has such numbers: ``(height, width)`` if it is grey,
        ``(height, width, 3)`` if it has colours, ``(height, width, 4)`` if parts of it are
        transparent.

    Raises:
        PictureError: if they hold none.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not content:
        raise PictureError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if (pages := getattr(image, "n_frames", 1)) > 1:
                    raise PictureError(f"it has {pages} pages or frames; save each as a picture")
                image.load()
                return _as_array(ImageOps.exif_transpose(image))
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"it is no picture ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombWarning:
        raise PictureError("it is too large a picture") from None
    except Exception as error:  # damaged pictures make the decoders raise anything
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise PictureError(f"the picture is damaged: {first}") from None


def picture_in(text: str) -> np.ndarray[Any, Any]:
    """Return the picture in a base64 text, with or without ``data:image/…;base64,`` before it.

    Raises:
        NoBase64Error: if it is no base64.
        PictureError: if it is that of something else.
    """
    try:
        content = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except ValueError:  # binascii's is one; letters beyond ASCII are another
        raise NoBase64Error from None
    return decode_picture(content)


def _as_array(image: Any) -> np.ndarray[Any, Any]:
    if image.mode in SIXTEEN_BIT:
        deep = np.asarray(image).astype(np.int64)
        return (np.clip(deep, 0, 65535) // BYTE_RANGE).astype(np.uint8)
    if "A" in image.mode or "transparency" in image.info:
        picture = np.asarray(image.convert(TRANSPARENT))
        return picture if (picture[..., 3] < 255).any() else _grey_if_so(picture[..., :3])
    if image.mode == "F":
        return np.asarray(image)
    if image.mode in ("1", GREY):
        return np.asarray(image.convert(GREY))
    return _grey_if_so(np.asarray(image.convert(COLOUR)))


def _grey_if_so(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return one channel of a picture whose colours are all grey."""
    alike = (picture == picture[..., :1]).all()
    return picture[..., 0] if alike else picture


class PictureFiles:
    """Pictures in files, in the order given; each is read when its turn comes."""

    def __init__(self, files: Sequence[Path], root: Path, named: str) -> None:
        """Make the source; no file is read yet.

        Args:
            files: the pictures.
            root: the folder that they are in, or the folder of the only one.
            named: what the user calls them.
        """
        self._files = files
        self._root = root
        self._named = named
        self._digest = hashlib.sha256()
        self._alone: str | None = None

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._files)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the pictures, each an array of its own shape."""
        for start in range(0, len(self._files), size):
            batch = Batch([], [])
            for path in self._files[start : start + size]:
                self._read(path, batch)
            yield batch

    def data(self) -> ReadData:
        """Return the digest: of a single file its own, else of the lines ``name digest``."""
        alone = len(self._files) == 1 and self._alone is not None
        digest = str(self._alone) if alone else self._digest.hexdigest()
        return ReadData(Path(self._named).name or "inputs", str(self._root), digest)

    def _read(self, path: Path, batch: Batch) -> None:
        name = str(path)
        try:
            content = path.read_bytes()
            self._count_in(path, content)
            picture = decode_picture(content)
        except OSError as error:
            batch.refused.append(Refusal(name, f"it can't be read: {error.strerror}"))
        except PictureError as error:
            batch.refused.append(Refusal(name, str(error)))
        else:
            batch.names.append(name)
            batch.inputs.append(picture)
            batch.labels.append(self._label(path))

    def _count_in(self, path: Path, content: bytes) -> None:
        self._alone = hashlib.sha256(content).hexdigest()
        name = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        line = f"{name.as_posix()} {self._alone}\n"
        self._digest.update(line.encode("utf-8", "surrogateescape"))

    def _label(self, path: Path) -> Label:
        """Return the folder that a picture lies in, if there are folders: it may be its class."""
        return path.parent.name if path.parent != self._root else None


def files_in(folder: Path, but: frozenset[Path]) -> list[Path]:
    """Return all files below a folder, sorted; hidden ones and those named in ``but`` are not.

    A text among the pictures is there too: whoever reads it refuses it by name.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.absolute() not in but
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
