"""What an inference has answered, as its record knows it: the digest of the table of answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from shackdoo.catalog.digests import file_digest
from shackdoo.catalog.outputs import DEFAULT
from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.provenance.outcome import Outcome
from shackdoo.tracking.journal import JOURNAL, read_entries

FOLDER = "answers"  # of the artifact


def answered(first: RecordedRun, second: RecordedRun) -> tuple[Outcome, Outcome]:
    """Return what two inferences have computed, with their answers as their predictions.

    A table names its inputs, so answers are left out where these, or its form, are not the same.
    """
    outcomes = first.outcome, second.outcome
    if _form(first) != _form(second):
        return outcomes
    one, other = (
        replace(outcome, predictions=_digest(run))
        for outcome, run in zip(outcomes, (first, second), strict=True)
    )
    return one, other


def _form(run: RecordedRun) -> tuple[object, str]:
    return run.manifest["config"].get("input"), PurePath(_table(run)).suffix


def _table(run: RecordedRun) -> str:
    return PurePath(run.manifest["config"].get("output") or DEFAULT).name


def _digest(run: RecordedRun) -> str | None:
    """Return the sha256 of the table, None if it is not on record."""
    if run.folder is None:
        path = run.file(f"{FOLDER}/{_table(run)}")
        return None if path is None else file_digest(path)
    found = None
    for entry, _ in read_entries(run.folder / JOURNAL):
        if entry["kind"] == "artifact" and entry["folder"] == FOLDER:
            found = entry["sha256"] if entry["name"] == _table(run) else found
    return found
