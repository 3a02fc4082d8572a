"""Pictures in files: what is read of them, what is refused, and how it is named."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shackdoo.catalog.inputs.batch import Batch
from shackdoo.catalog.inputs.pictures import (
    PictureError,
    PictureFiles,
    decode_picture,
    files_in,
)

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def encoded(array: np.ndarray[Any, Any], kind: str = "PNG", mode: str | None = None) -> bytes:
    image = Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def test_a_grey_png_comes_as_it_is() -> None:
    np.testing.assert_array_equal(decode_picture(encoded(GREY)), GREY)


def test_grey_saved_in_colours_is_grey() -> None:
    np.testing.assert_array_equal(decode_picture(encoded(GREY, mode="RGB")), GREY)
    np.testing.assert_array_equal(decode_picture(encoded(GREY, mode="RGBA")), GREY)
    np.testing.assert_array_equal(decode_picture(encoded(GREY, mode="LA")), GREY)


def test_colours_and_transparency_are_channels() -> None:
    colour = np.zeros((2, 2, 3), np.uint8)
    colour[0, 0] = 255, 0, 0
    np.testing.assert_array_equal(decode_picture(encoded(colour)), colour)
    seen = np.concatenate([colour, np.full((2, 2, 1), 128, np.uint8)], axis=-1)
    assert decode_picture(encoded(seen)).shape == (2, 2, 4)


def test_a_palette_and_a_jpeg_are_decoded() -> None:
    assert decode_picture(encoded(GREY, mode="P")).shape == GREY.shape
    assert decode_picture(encoded(GREY, "JPEG")).dtype == np.uint8


def test_sixteen_bits_become_eight() -> None:
    deep = np.array([[0, 257, 65535]], np.uint16)
    np.testing.assert_array_equal(decode_picture(encoded(deep)), [[0, 1, 255]])


def test_a_photo_on_its_side_is_turned_upright() -> None:
    image = Image.fromarray(GREY)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert decode_picture(buffer.getvalue()).shape == (4, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"dear diary", r"it is no picture \(PNG, JPEG"),
        (encoded(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8))[:300], "damaged"),
    ],
)
def test_what_is_no_picture_says_what_it_is(content: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        decode_picture(content)


def test_a_picture_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(PictureError, match=r"too large|exceeds limit"):
        decode_picture(encoded(GREY))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("3/b.png", "3/a.png", "7/c.png", "top.png", ".hidden.png", "3/.cache/d.png"):
        file = tmp_path / "scans" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(GREY))
    (tmp_path / "scans" / "7" / "notes.txt").write_text("not a picture")
    return tmp_path / "scans"


def test_a_folder_gives_its_files_in_order_without_hidden_ones(folder: Path) -> None:
    names = [str(path.relative_to(folder)) for path in files_in(folder, frozenset())]
    assert names == ["3/a.png", "3/b.png", "7/c.png", "7/notes.txt", "top.png"]
    but = frozenset({(folder / "top.png").absolute()})
    assert folder / "top.png" not in files_in(folder, but)


def batches(folder: Path, size: int) -> list[Batch]:
    source = PictureFiles(files_in(folder, frozenset()), folder, str(folder))
    assert source.count == 5
    return list(source.batches(size))


def test_batches_are_bounded_named_labelled_by_folder_and_refuse_what_is_no_picture(
    folder: Path,
) -> None:
    first, second, last = batches(folder, 2)
    assert first.names == [str(folder / "3/a.png"), str(folder / "3/b.png")]
    assert first.labels == ["3", "3"]
    assert second.names == [str(folder / "7/c.png")]
    assert [each.name for each in second.refused] == [str(folder / "7/notes.txt")]
    assert last.labels == [None]


def test_the_digest_of_a_folder_is_that_of_its_names_and_contents(folder: Path) -> None:
    def digest() -> str:
        source = PictureFiles(files_in(folder, frozenset()), folder, str(folder))
        list(source.batches(2))
        return source.data().sha256

    lines = "".join(
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in files_in(folder, frozenset())
    )
    assert digest() == hashlib.sha256(lines.encode()).hexdigest()
    (folder / "top.png").write_bytes(encoded(GREY + 1))
    assert digest() != hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_of_one_picture_is_its_file_s(folder: Path) -> None:
    file = folder / "top.png"
    source = PictureFiles([file], folder, str(file))
    list(source.batches(1))
    assert source.data().sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_several_pages_are_no_picture() -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(GREY + 1)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(PictureError, match="it has 2 pages or frames; save each as a picture"):
        decode_picture(buffer.getvalue())


def test_fractions_in_a_tiff_stay_fractions() -> None:
    shares = (GREY / 255).astype(np.float32)
    np.testing.assert_array_equal(decode_picture(encoded(shares, "TIFF")), shares)
