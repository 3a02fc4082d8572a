"""From what a user names to a source of inputs."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.catalog.inputs.arrays import ArrayFile
from shackdoo.catalog.inputs.batch import Inputs
from shackdoo.catalog.inputs.json_lines import JsonLines
from shackdoo.catalog.inputs.pictures import PictureFiles, files_in
from shackdoo.catalog.inputs.tables import Table
from shackdoo.errors import RequestError, did_you_mean, listing

STDIN = "-"
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
ARRAYS = (".npy", ".npz", ".idx")
TABLES = (".csv", ".tsv")
LINES = (".jsonl", ".ndjson")
KINDS = (
    "a picture (PNG, JPEG, BMP, GIF, TIFF, WebP), a folder of pictures, a pattern such as "
    "'scans/*.png', .npy, .npz, idx (.gz too), .csv, .jsonl, - for JSON lines on standard input, "
    "or a name in the catalog"
)


@dataclass(frozen=True)
class Wanted:
    """What the user asks for.

    Attributes:
        input: as typed.
        label: name of what holds the labels, or None to look for it.
        expected: shape of one input of the model, or None if it isn't known.
        but: files that are no inputs, wherever they lie: what is about to be written.
    """

    input: str
    label: str | None
    expected: tuple[int, ...] | None
    but: frozenset[Path]


def open_inputs(
    wanted: Wanted, catalog: Iterable[str], from_catalog: Callable[[str], Inputs]
) -> Inputs:
    """Return the source of what the user names; little or nothing of it is read yet.

    Args:
        wanted: what is asked for.
        catalog: names of the data sets.
        from_catalog: makes a source of one of them.

    Raises:
        RequestError: if there is no such thing, or nothing reads its kind.
        DataError: if a file's head shows that it is damaged.
    """
    name = wanted.input
    if name == STDIN and sys.stdin is None:
        raise RequestError("Standard input is closed, so there is nothing to read: input=PATH.")
    if name == STDIN:
        return JsonLines(lambda: sys.stdin.buffer, STDIN)
    path, names = Path(name).expanduser(), list(catalog)
    if name in names:
        if path.exists():
            raise RequestError(
                f"'{name}' is a name in the catalog and a file here. Write ./{name} for the file, "
                f"or move it."
            )
        return from_catalog(name)
    if path.is_dir():
        return _pictures(files_in(path, wanted.but), path, wanted, "folder")
    if path.is_file():
        return _file(path, wanted)
    if glob.has_magic(name):
        found = sorted(Path(each) for each in glob.glob(str(path), recursive=True))  # noqa: PTH207
        files = [each for each in found if each.is_file() and each.absolute() not in wanted.but]
        return _pictures(files, _root(name), wanted, "pattern")
    raise RequestError(
        f"No input '{name}': no such file or folder, and no such name in the catalog."
        f"{did_you_mean(name, names)} The catalog has: {listing(names)}. An input is {KINDS}."
    )


def _root(pattern: str) -> Path:
    """Return the folder that a pattern looks into."""
    parts = Path(pattern).expanduser().parts
    plain = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:plain])


def _pictures(files: list[Path], root: Path, wanted: Wanted, what: str) -> Inputs:
    if not files:
        raise RequestError(f"The {what} '{wanted.input}' has no files. An input is {KINDS}.")
    if what == "pattern" and len(files) == 1:
        return _file(files[0], wanted)
    return PictureFiles(files, root, wanted.input)


def _file(path: Path, wanted: Wanted) -> Inputs:
    kinds: dict[tuple[str, ...], Callable[[], Any]] = {
        PICTURES: lambda: PictureFiles([path], path.parent, str(path)),
        ARRAYS: lambda: ArrayFile(path, wanted.label, wanted.expected),
        TABLES: lambda: Table(path, wanted.label, wanted.expected),
        LINES: lambda: JsonLines(lambda: path.open("rb"), str(path)),
    }
    packed = path.suffix == ".gz" and path.with_suffix("").suffix in (".npy", ".idx")
    suffix = path.with_suffix("").suffix if packed else path.suffix
    if "-ubyte" in path.name or "-idx" in path.name:
        suffix = ".idx"
    for suffixes, make in kinds.items():
        if suffix.lower() in suffixes:
            source: Inputs = make()
            return source
    raise RequestError(
        f"Nothing here reads '{path}': its ending '{path.suffix}' is not known. An input is "
        f"{KINDS}."
    )
