"""Where the record of a run is kept: its folder, its tracker, the way to the store."""

from __future__ import annotations

import getpass
import inspect
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shackdoo.commands.again import Again, asked
from shackdoo.commands.held_record import TOLD
from shackdoo.commands.joined import JOINED
from shackdoo.errors import StoreError
from shackdoo.provenance.redact import without_credentials
from shackdoo.provenance.secrets import Redactor
from shackdoo.report.drawing import FILES, draw
from shackdoo.tracking.also import Patient, RunIdentity, Tee, find_trackers
from shackdoo.tracking.continued import Continued
from shackdoo.tracking.experiment_page import Recipe, note
from shackdoo.tracking.journal import Header, JournalTracker, now_ms
from shackdoo.tracking.memory import MemoryTracker
from shackdoo.tracking.shipping import (
    entries_left,
    read_shipping,
    start_shipper,
    wait_shipped,
)
from shackdoo.tracking.state import make_run_folder, new_run_uid
from shackdoo.tracking.store import check_reachable, resolve_uri
from shackdoo.tracking.tracker import Figure, RunTracker

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked
    from shackdoo.commands.stopped import Stopped
    from shackdoo.config.project import Project
    from shackdoo.tracking.tracker import Status

LEADING = ("task=", "experiment=")  # overrides that lead a run to its experiment
JOINED_WAIT = 120.0  # seconds; what `mlflow run` starts should be in the store when it returns


@dataclass
class Place:
    """The place of one run.

    Attributes:
        uid: names the run on every machine.
        tracker: takes what is to be recorded.
        folder: the run's folder with its journal, or None when nothing is recorded.
        where: the tracking store, for people.
        model_path: where the trained model goes.
        report_folder: where pictures go.
        held: another process ships the run and ends its record.
    """

    uid: str
    tracker: RunTracker
    folder: Path | None
    where: str
    wait: float
    model_path: Path
    report_folder: Path
    held: bool = False

    def keep(self, name: str, content: bytes) -> Path | None:
        """Write a file of the run, readable by its owner only; return its path, if any."""
        if self.folder is None:
            return None
        path = self.folder / "files" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.touch(mode=0o600)
        part.write_bytes(content)
        part.replace(path)
        return path

    def figure(self, kind: str, content: dict[str, Any]) -> None:
        """Have a picture or the report drawn: by the shipper, or here if nothing is shipped."""
        file = self.report_folder / FILES[kind]
        data = self.keep(f"{kind}.json", json.dumps(content).encode())
        if data is not None:
            self.tracker.attach(Figure(kind, data, file, "report"))
            return
        draw(kind, content, file)

    def start_shipping(self) -> None:
        """Start the process that carries the journal to the store."""
        if self.folder is not None and not self.held:
            start_shipper(self.folder)

    def trouble(self) -> str | None:
        """Return why the store could not be reached, if that is so at this moment."""
        return None if self.folder is None else read_shipping(self.folder).error

    def close(self, status: Status) -> str | None:
        """End the record and wait for the store as long as the configuration says.

        Returns:
            What is left to be shipped and how, if the store is known to be behind.
        """
        if self.held and self.folder is not None:
            (self.folder / TOLD).write_text(status, encoding="utf-8")
            return None
        self.tracker.end(status)
        if self.folder is None:
            return None
        shipping = wait_shipped(self.folder, self.wait)
        if shipping.done or not (self.wait or shipping.error):
            return None
        why = f" ({shipping.error})" if shipping.error else ""
        return (
            f"{entries_left(self.folder)} entries of this run are not in {self.where} yet{why}. "
            f"They are safe in {self.folder}; shipping goes on in the background, and "
            f"`shackdoo sync` sends what is left."
        )


def open_place(
    checked: Checked,
    redactor: Redactor,
    notice: Callable[[str], None],
    kind: str = "",
    stopped: Stopped | None = None,
) -> Place:
    """Return the place of a run.

    Args:
        checked: the request.
        redactor: hides its secrets.
        notice: shows a line.
        kind: a word for the run's name, if it is not a training.
        stopped: the run that goes on; None for a new one.

    Raises:
        RequestError: if the run that is to go on is going on already.
        StoreError: if the store is misnamed, a folder can't be written, or tracking is required
            and the store doesn't answer.
    """
    config, again = checked.composed.config, asked()
    output = _output(checked)
    uid = _uid(stopped, again)
    plain_tag = re.sub(r"[^\w.-]", "_", redactor.text(config.tag))
    name = "-".join(word for word in (plain_tag, kind, uid[:8]) if word)
    model = output / "data" / "model" / f"{name}.keras"
    report = output / "data" / "report" / name
    for folder in (model.parent, report.parent):
        _check_writable(folder)
    if not config.tracking.enabled:
        return Place(uid, MemoryTracker(), None, "nothing is recorded", 0.0, model, report)
    uri = _store_of(checked, stopped)
    if config.tracking.required:
        check_reachable(uri)
    others = find_trackers(config.tracking.also)
    tracker: RunTracker
    if stopped is not None:
        folder, tracker = stopped.folder, stopped.go_on()
    else:
        folder = make_run_folder(checked.project.state_dir(), uid, made=again is not None)
        tracker = JournalTracker(folder, _header(checked, redactor, uid, name, uri))
    if others:
        identity = RunIdentity(
            uid, name, config.experiment, redactor.text(config.tag), config.task.name
        )
        tracker = Tee(tracker, [_patient(each, identity, checked, notice) for each in others])
    if stopped is not None:
        tracker = Continued(tracker, stopped.recorded)
    wait = max(config.tracking.wait, JOINED_WAIT if JOINED in os.environ else 0.0)
    held = again is not None
    return Place(uid, tracker, folder, without_credentials(uri), wait, model, report, held)


def _output(checked: Checked) -> Path:
    """Return the project that takes what the run leaves."""
    again = asked()
    return checked.project.root if again is None else again.output


def _uid(stopped: Stopped | None, again: Again | None) -> str:
    if stopped is not None:
        return stopped.uid
    return new_run_uid() if again is None else again.uid


def _store_of(checked: Checked, stopped: Stopped | None) -> str:
    """Return the address of the store that the run belongs into."""
    if stopped is not None:
        return str(stopped.header["tracking_uri"])
    # A run that `mlflow run` has opened is in the store that it names.
    configured = None if JOINED in os.environ else checked.composed.config.tracking.uri
    return resolve_uri(configured, checked.project.root)


def _patient(
    point: EntryPoint, identity: RunIdentity, checked: Checked, notice: Callable[[str], None]
) -> Patient:
    wait = checked.composed.config.tracking.wait
    return Patient(point.name, lambda: point.load()(identity), notice, wait)


def close_joined_as_failed(project: Project, message: str) -> None:
    """Close the run that ``mlflow run`` has opened already, with the mistake as a tag."""
    close_joined(project, {"shackdoo.error": message}, "FAILED")


def close_joined(project: Project, tags: Mapping[str, str], status: Status) -> None:
    """Close the run that ``mlflow run`` has opened already, in which nothing is trained."""
    uid = new_run_uid()
    folder = make_run_folder(project.state_dir(), uid)
    redactor = Redactor.of({}, {}, os.environ)
    header = Header(
        run_uid=uid,
        experiment="",
        run_name="",
        tracking_uri=resolve_uri(None, project.root),
        mlflow_run_id=os.environ[JOINED],
        user=getpass.getuser(),
        source=redactor.text(shlex.join(sys.argv)),
        project_root=str(project.root),
        start_time=now_ms(),
        parent_uid=None,
        keep_days=None,
    )
    tracker = JournalTracker(folder, header)
    tracker.tags({name: redactor.text(text) for name, text in tags.items()})
    tracker.end(status)
    start_shipper(folder)
    wait_shipped(folder, JOINED_WAIT)


def _header(checked: Checked, redactor: Redactor, uid: str, name: str, uri: str) -> Header:
    config = checked.composed.config
    return Header(
        run_uid=uid,
        experiment=config.experiment,
        run_name=name,
        tracking_uri=uri,
        # Of several runs in one, it is the whole that `mlflow run` has opened.
        mlflow_run_id=os.environ.get(JOINED) if checked.parent_uid is None else None,
        user=getpass.getuser(),
        source=redactor.text(shlex.join(sys.argv)),
        project_root=str(_output(checked)),
        start_time=now_ms(),
        parent_uid=checked.parent_uid,
        keep_days=config.tracking.keep_days,
        experiment_note=redactor.text(config.description or _note(checked)),
    )


def _note(checked: Checked) -> str:
    """Return what stands above the runs of an experiment that this run creates."""
    composed, about = checked.composed, inspect.getdoc(type(checked.task)) or ""
    leads_here = [each for each in composed.overrides if each.startswith(LEADING)]
    recipe = Recipe(
        experiment=composed.config.experiment,
        task=composed.config.task.name,
        about=about.partition("\n")[0],
        lineage=checked.lineage(),
        data=composed.config.task.data,
        command=shlex.join(["shackdoo", "train", *leads_here]),
    )
    return note(recipe)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} can't be made: {error.strerror}. Models and pictures go there."
        ) from None
    if not os.access(folder, os.W_OK):
        raise StoreError(
            f"The folder {folder} can't be written. Models and pictures go there; give yourself "
            f"the right to write it, or set SHACKDOO_ROOT to a project of yours."
        )
