"""The code of a run that its commit does not have, kept with the run.

In the run's folder it is whole; secrets are taken out when it is shipped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from shackdoo.provenance.snapshot import ZIP, snapshot
from shackdoo.provenance.untracked import OUTPUT, is_code, keep_file, sort_untracked
from shackdoo.tracking.tracker import Artifact

if TYPE_CHECKING:
    from shackdoo.commands.captured import Captured

DIFF = "code.diff"
UNTRACKED, SUBMODULES = "untracked", "submodules"
MOST_TOLD = 5  # files that are left out, in notices

Keep = Callable[[str, bytes], Path | None]


@dataclass
class KeptCode:
    """Keeps the code of a run, and completes the manifest with what was kept.

    Attributes:
        captured: what the run is made of.
        root: the project.
        keep: writes a file of the run; None if nothing is recorded.
        notice: shows a line.
        artifacts: what belongs into the store.
    """

    captured: Captured
    root: Path
    keep: Keep
    notice: Callable[[str], None]
    artifacts: list[Artifact] = field(default_factory=list)

    def run(self, files: Path, ship_files: bool) -> list[Artifact]:
        """Keep it.

        Args:
            files: the folder of the run's files.
            ship_files: whether whole files may go to the store, too, not only differences.

        Returns:
            What belongs into the store, to be shipped without its secrets.
        """
        code, tree = self._code, self.captured.tree
        if code["commit"] is None or (code["dirty"] and tree.top is None):
            self._keep_snapshot(ship_files)
            return self.artifacts
        self._keep_diff(DIFF, tree.diff)
        for number, submodule in enumerate(tree.submodules):
            self._keep_diff(f"{SUBMODULES}/{number}.diff", submodule.diff)
        if tree.top is not None and code["untracked"]:
            self._keep_untracked(tree.top, files, ship_files)
        return self.artifacts

    @property
    def _code(self) -> dict[str, Any]:
        code: dict[str, Any] = self.captured.manifest["code"]
        return code

    def _keep_diff(self, name: str, diff: bytes | None) -> None:
        if diff is not None:
            self._ship(name, self.keep(name, diff))

    def _keep_untracked(self, top: Path, files: Path, ship: bool) -> None:
        code = self._code
        found = sort_untracked(top, code["untracked"], code["prefix"])
        left_out = dict(found.left_out)
        for name in found.kept:
            place = f"{UNTRACKED}/{name}"
            try:
                code["untracked_kept"][name] = keep_file(top / name, files / place)
            except OSError as error:  # somebody else's file, or gone by now
                left_out[name] = f"it can't be read: {error.strerror}"
                continue
            if ship:
                self._ship(place, files / place)
        code["untracked_left_out"] = left_out
        self._tell(left_out, ship)

    def _keep_snapshot(self, ship: bool) -> None:
        content = snapshot(self.root, self.captured.code.files)
        self._code["snapshot_sha256"] = hashlib.sha256(content).hexdigest()
        path = self.keep(ZIP, content)
        if ship:
            self._ship(ZIP, path)
        self.notice(f"no git commit has this code; a copy of it is kept with the run ({ZIP})")

    def _ship(self, name: str, path: Path | None) -> None:
        if path is not None:
            folder = str(PurePosixPath(name).parent)
            self.artifacts.append(Artifact(path, "" if folder == "." else folder, redact=True))

    def _tell(self, left_out: dict[str, str], ship: bool) -> None:
        """Say which files are left out that the run may be made of, or that were to be shipped."""
        missed = "shipped" if ship else "kept with the run"
        told = [
            (name, why)
            for name, why in left_out.items()
            if why != OUTPUT and (ship or is_code(name))
        ]
        for name, why in told[:MOST_TOLD]:
            self.notice(f"the untracked file {name} is not {missed}: {why}")
        if len(told) > MOST_TOLD:
            self.notice(f"… and {len(told) - MOST_TOLD} more")
