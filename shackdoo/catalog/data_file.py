"""One file of a data set: is it there, is it the one that was pinned, what is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.catalog.digests import file_digest
from shackdoo.catalog.fetch import SCHEMES, fetch, fetchable
from shackdoo.errors import CatalogError


@dataclass(frozen=True)
class DataFile:
    """A file as an entry of ``conf/catalog.yaml`` describes it.

    Attributes:
        path: where it is, or will be once it is fetched.
        sha256: digest it must have, or None.
        source: URL it can be fetched from, or None.
        entry: name of the entry, for messages.
        part: name of the file in an entry of several files, else ''.
    """

    path: Path
    sha256: str | None
    source: str | None
    entry: str
    part: str = ""

    def digest(self) -> str:
        """Return the sha256 of the file as it is now.

        Raises:
            CatalogError: if it can't be read.
        """
        try:
            return file_digest(self.path)
        except OSError as error:
            raise self._unreadable(error) from None

    def verify(self) -> None:
        """Raise a CatalogError unless the file can be read and is the pinned one, if any is."""
        self._check(self.digest())

    def _check(self, found: str) -> None:
        if self.sha256 in (None, found):
            return
        again = f"Delete it to have it fetched from {self.source}" if self.source else "Restore it"
        raise CatalogError(
            f"{self.path} is not the file pinned for '{self.entry}' in conf/catalog.yaml: its "
            f"sha256 is {found}, expected is {self.sha256}. {again}; or, if you mean to use this "
            f"one, set {self._key('sha256')} to its digest."
        )

    def check_source(self) -> None:
        """Raise a CatalogError unless the file, which isn't there, can be fetched."""
        if self.source is None:
            raise CatalogError(
                f"The file of '{self.entry}' in conf/catalog.yaml is missing: {self.path}. Put it "
                f"there, correct {self._key('file')}, or set catalog.{self.entry}.source to a URL "
                f"to fetch it from."
            )
        if not fetchable(self.source):
            raise CatalogError(
                f"The file of '{self.entry}' in conf/catalog.yaml is missing: {self.path}, and "
                f"its source '{self.source}' is no URL that can be fetched. It must begin with "
                f"{', '.join(f'{scheme}://' for scheme in SCHEMES)}."
            )

    def ensure(self) -> None:
        """Fetch the file if it isn't there; verify it.

        Raises:
            CatalogError: if it can't be fetched or isn't the pinned one.
        """
        if not self.path.exists():
            self.check_source()
            fetch(str(self.source), self.path, self.sha256)
        self.verify()

    def read(self, file_format: str) -> Any:
        """Return the decoded content; the very bytes that are decoded have been verified.

        Raises:
            CatalogError: if the file can't be read or isn't the pinned one.
            DataError: if its content isn't what the format says.
        """
        from shackdoo.catalog.formats import decode

        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from None
        self._check(hashlib.sha256(content).hexdigest())
        return decode(content, file_format, str(self.path))

    def _key(self, key: str) -> str:
        return ".".join(filter(None, ("catalog", self.entry, key, self.part)))

    def _unreadable(self, error: OSError) -> CatalogError:
        return CatalogError(
            f"The file of '{self.entry}' in conf/catalog.yaml can't be read: {self.path}: "
            f"{error.strerror}. Correct its permissions, or {self._key('file')}."
        )
