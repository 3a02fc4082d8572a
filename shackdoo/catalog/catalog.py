"""Names of data sets to their content: the door of the package."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from shackdoo.catalog.data_file import DataFile
from shackdoo.catalog.digests import joint_digest
from shackdoo.config.project import Project
from shackdoo.config.schema import CatalogEntry
from shackdoo.errors import CatalogError, did_you_mean, listing


class Catalog:
    """The data sets of a project, by the names they have in ``conf/catalog.yaml``."""

    def __init__(self, entries: Mapping[str, CatalogEntry], project: Project) -> None:
        """Make the catalog; no file is touched.

        Args:
            entries: the data sets by name.
            project: where their files are looked for.
        """
        self._entries = entries
        self._project = project
        self._coming: dict[str, Future[Any]] = {}

    def check(self, names: Iterable[str]) -> None:
        """Check without decoding anything that the data sets can be loaded.

        Raises:
            CatalogError: if a name is unknown, a file is missing and has no source, a digest
                differs from the pinned one, or a pickle has none pinned.
        """
        for name in names:
            self._check_pin(name)
            for file in self._files(name).values():
                if file.path.exists():
                    file.verify()
                else:
                    file.check_source()

    def path(self, name: str) -> Path:
        """Return the file of a data set; of one of several files the folder of the first.

        Raises:
            CatalogError: if the name is unknown.
        """
        first = next(iter(self._files(name).values())).path
        return first if isinstance(self._entry(name).file, str) else first.parent

    def digest(self, name: str) -> str:
        """Return the sha256 of the whole file.

        Of several files: sha256 of the lines ``name digest``, sorted by name.

        Raises:
            CatalogError: if the name is unknown or a file can't be read.
        """
        digests = {part: file.digest() for part, file in self._files(name).items()}
        single = isinstance(self._entry(name).file, str)
        return next(iter(digests.values())) if single else joint_digest(digests)

    def examples(self, name: str) -> int | None:
        """Return how many training examples the entry says there are, None if it doesn't."""
        return self._entry(name).examples

    def fetch(self, name: str) -> Path:
        """Download the files that aren't there, verify all of them; return :meth:`path`.

        Raises:
            CatalogError: as :meth:`check`, or if a download fails.
        """
        self._check_pin(name)
        for file in self._files(name).values():
            file.ensure()
        return self.path(name)

    def load(self, name: str) -> Any:
        """Return the content of a data set; it is fetched if it isn't there.

        Returns:
            What :func:`shackdoo.catalog.formats.decode` makes of the file; of several files a
            dictionary by their names.

        Raises:
            CatalogError: as :meth:`check`.
            DataError: if a file isn't what its format says.
        """
        coming = self._coming.pop(name, None)
        return coming.result() if coming else self._load(name)

    def prefetch(self, name: str) -> None:
        """Start loading in the background; :meth:`load` then waits for it, and raises its error."""
        future: Future[Any] = Future()
        self._coming[name] = future
        threading.Thread(target=self._load_into, args=(future, name), daemon=True).start()

    def _load_into(self, future: Future[Any], name: str) -> None:
        try:
            future.set_result(self._load(name))
        except BaseException as error:
            future.set_exception(error)

    def _load(self, name: str) -> Any:
        self.fetch(name)
        entry = self._entry(name)
        content = {part: file.read(entry.format) for part, file in self._files(name).items()}
        return next(iter(content.values())) if isinstance(entry.file, str) else content

    def _entry(self, name: str) -> CatalogEntry:
        if name not in self._entries:
            raise CatalogError(
                f"No data named '{name}' in conf/catalog.yaml.{did_you_mean(name, self._entries)} "
                f"Known: {listing(self._entries)}. Add an entry of that name, or set task.data to "
                f"one of these."
            )
        return self._entries[name]

    def _files(self, name: str) -> dict[str, DataFile]:
        """Return the files of a data set by their names; a single file has the name ''."""
        entry = self._entry(name)
        if isinstance(entry.file, str):
            pin = entry.sha256 if isinstance(entry.sha256, str) else None
            return {"": DataFile(self._project.find(entry.file), pin, entry.source, name)}
        pins = entry.sha256 if isinstance(entry.sha256, Mapping) else {}
        files = {}
        for part, relative in entry.file.items():
            path = self._project.find(relative)
            source = f"{entry.source.rstrip('/')}/{path.name}" if entry.source else None
            files[part] = DataFile(path, pins.get(part), source, name, part)
        return files

    def _check_pin(self, name: str) -> None:
        entry = self._entry(name)
        if entry.format != "pickle" or entry.sha256 is not None:
            return
        there = [file for file in self._files(name).values() if file.path.is_file()]
        found = "".join(f" {file.path} has {file.digest()}." for file in there)
        raise CatalogError(
            f"'{name}' in conf/catalog.yaml is a pickle without a pinned digest, and such a file "
            f"is not opened. Set catalog.{name}.sha256 to the digest that whoever gave you the "
            f"file states.{found}"
        )
