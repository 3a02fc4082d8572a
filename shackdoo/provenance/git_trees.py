"""States of the code as trees of git, made beside the user's repository.

All is written into a bare repository of its own, which borrows the objects of the user's. So
neither the user's index, tree and refs nor settings, hooks, filters and diff drivers have a part.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shackdoo.errors import IngredientError
from shackdoo.provenance.plain_git import COMMIT, SETTINGS, without_git

PLAIN, EXECUTABLE, SUBMODULE = "100644", "100755", "160000"


class GitTrees:
    """Makes trees and compares them."""

    def __init__(self, roots: Iterable[Path], scratch: Path) -> None:
        """Borrow the objects of the repositories that folders of the user's are in.

        Args:
            roots: the folders; those in no repository are passed over.
            scratch: an empty folder of the caller's.

        Raises:
            IngredientError: if there is no git here.
        """
        self._scratch = scratch
        self._number = 0
        self._repository = scratch / "repository"
        borrowed = [found for root in roots if (found := _borrowed(root)) is not None]
        form = borrowed[0][0] if borrowed else "sha1"
        init = ("init", "--quiet", "--bare", "--template=", f"--object-format={form}")
        self._need(*init, str(self._repository))
        lines = dict.fromkeys(os.fsencode(path) + b"\n" for kind, path in borrowed if kind == form)
        alternates = self._repository / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_bytes(b"".join(lines))

    def has(self, commit: str) -> bool:
        """Return whether a commit is at hand with its whole tree's root."""
        return (
            bool(COMMIT.fullmatch(commit))
            and not self._git("cat-file", "-e", f"{commit}^{{tree}}").returncode
        )

    def tree(
        self,
        commit: str | None,
        patch: Path | None,
        files: Mapping[str, tuple[Path, bool]],
        submodules: Mapping[str, str],
    ) -> str:
        """Return the name of a tree.

        Args:
            commit: it begins with; None for an empty tree.
            patch: to be applied.
            files: to be added then: name to where the content lies, and whether it is executable.
            submodules: their paths to their commits.

        Raises:
            IngredientError: if the patch does not apply, or a name can't be in a tree.
        """
        self._number += 1
        index = self._scratch / f"index-{self._number}"
        self._need("read-tree", commit or "--empty", index=index)
        if patch is not None:
            self._need("apply", "--cached", "--whitespace=nowarn", str(patch), index=index)
        entries = [
            *self._hashed(files),
            *((SUBMODULE, sha, name) for name, sha in submodules.items()),
        ]
        said = b"".join(os.fsencode(f"{mode} {sha}\t{name}\0") for mode, sha, name in entries)
        self._need("update-index", "-z", "--index-info", said=said, index=index)
        return os.fsdecode(self._need("write-tree", "--missing-ok", index=index)).strip()

    def changed(self, first: str, second: str) -> list[str]:
        """Return the names of the files that two trees have not the same."""
        found = self._need("diff-tree", "-r", "-z", "--name-only", first, second)
        return [os.fsdecode(name) for name in found.split(b"\0") if name]

    def diff(self, first: str, second: str, order: Sequence[str], most: int) -> bytes:
        """Return the difference of two trees as git prints it, at most its first bytes.

        Args:
            first: a tree.
            second: another.
            order: patterns of names that come first.
            most: bytes.
        """
        orders = self._scratch / "order"
        orders.write_bytes(b"".join(os.fsencode(each) + b"\n" for each in order))
        command = ("diff-tree", "-r", "-p", "-M", "--no-ext-diff", "--no-textconv", "--no-color")
        told = self._scratch / "told.diff"
        with told.open("wb") as target:
            self._need(*command, f"-O{orders}", first, second, into=target)
        with told.open("rb") as source:
            return source.read(most)

    def _hashed(self, files: Mapping[str, tuple[Path, bool]]) -> Iterator[tuple[str, str, str]]:
        """Yield mode, digest and name of files, once their content is in the repository."""
        said = b"".join(os.fsencode(path) + b"\n" for path, _ in files.values())
        hashed = self._need("hash-object", "-w", "--no-filters", "--stdin-paths", said=said)
        digests = os.fsdecode(hashed).split()
        for (name, (_, executable)), digest in zip(files.items(), digests, strict=True):
            yield EXECUTABLE if executable else PLAIN, digest, name

    def _need(
        self,
        *command: str,
        index: Path | None = None,
        said: bytes = b"",
        into: Any = subprocess.PIPE,
    ) -> bytes:
        """Return what a command prints.

        Raises:
            IngredientError: with what git says, if it fails.
        """
        done = self._git(*command, index=index, said=said, into=into)
        if done.returncode:
            why = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise IngredientError(f"git {command[0]} says: {why[:300]}")
        return done.stdout or b""

    def _git(
        self,
        *command: str,
        index: Path | None = None,
        said: bytes = b"",
        into: Any = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[bytes]:
        index_file = {} if index is None else {"GIT_INDEX_FILE": str(index)}
        try:
            return subprocess.run(
                ["git", f"--git-dir={self._repository}", *command],
                env={**without_git(), **SETTINGS, **index_file},
                input=said,
                stdout=into,
                stderr=subprocess.PIPE,
                check=False,
            )
        except OSError as error:
            raise _no_git(error) from None


def _borrowed(root: Path) -> tuple[str, Path] | None:
    """Return the kind of digests and the folder of objects of the repository around ``root``."""
    command = ("rev-parse", "--show-object-format", "--git-common-dir")
    try:
        done = subprocess.run(
            # With the user's settings, which tell whose repositories are trusted.
            ["git", "-C", str(root), *command],
            env=without_git(),
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise _no_git(error) from None
    form, _, folder = os.fsdecode(done.stdout).removesuffix("\n").partition("\n")
    return None if done.returncode else (form, (root / folder).resolve() / "objects")


def _no_git(error: OSError) -> IngredientError:
    return IngredientError(f"git can't be run: {error.strerror}. Install git.")
