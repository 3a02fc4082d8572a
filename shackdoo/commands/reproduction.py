"""One reproduction: a recorded run made again in a child, and compared."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # here: a child that is not noted yet would outlive a reproduction that is killed

from shackdoo.commands.again import Again
from shackdoo.commands.held_record import HeldRecord
from shackdoo.commands.left_reproductions import note_child
from shackdoo.commands.recorded_image import docker_command
from shackdoo.commands.recorded_needs import MAIN, Ready, Say
from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.commands.verdict import Verdict, described
from shackdoo.config.project import ROOT_VARIABLE, STATE_VARIABLE, Project
from shackdoo.config.record import config_digest
from shackdoo.errors import IngredientError, RequestError, RunError
from shackdoo.metric_names import STEPS
from shackdoo.provenance.compare import differences
from shackdoo.provenance.outcome import Outcome, effect
from shackdoo.provenance.packages import normalized, own_names
from shackdoo.provenance.ranking import ranked
from shackdoo.tracking.store import VARIABLE as URI_VARIABLE

POLL_SECONDS = 0.05
# What is today's, whatever was recorded.
OWN_SETTINGS = (
    *("tracking.uri=null", "tracking.enabled=true", "tracking.required=false"),
    *("tracking.wait=0.0", "tracking.also=[]"),
)


@dataclass(frozen=True)
class Wish:
    """How a run is to be reproduced.

    Attributes:
        here: with the Python, packages, variables and threads of the present, not the recorded.
        epochs: how many are done and compared; None for all.
    """

    here: bool = False
    epochs: int | None = None


class Reproduction:
    """Makes a recorded run again from what it needs, as often as is asked."""

    def __init__(
        self, run: RecordedRun, project: Project, uri: str, wish: Wish, scratch: Path, say: Say
    ) -> None:
        """Prepare to reproduce a run.

        Args:
            run: the recorded one.
            project: which the new run is to belong to.
            uri: of the store that it goes into.
            wish: how.
            scratch: a folder for what it leaves on the way.
            say: tells the user what is done.
        """
        self.run, self.project, self.uri, self.wish = run, project, uri, wish
        self.scratch, self.say = scratch, say
        self.manifest = run.manifest

    def again(self, ready: Ready) -> Verdict:
        """Run it, and compare.

        Raises:
            RequestError: if the recorded request is refused by what was made.
            RunError: if the run failed, and the recorded one did not.
        """
        outcome = self.run.outcome  # a store that is away says so before anything is trained
        with HeldRecord(self.project.state_dir()) as record:
            code = self._run(ready, record)
            status = record.status = record.told_status() or _status(code)
            if not record.begun:
                self._explain_unbegun(code)
            if status == "KILLED" or (status == "FAILED" and self.run.run.status != status):
                self._explain(code)
            new = RecordedRun(record.listed(), record.folder, self.scratch / "new")
            verdict = self._verdict(outcome, new, own_names(ready.tree.root))
            record.tags({"shackdoo.verdict": verdict.word})
            told = {"shackdoo.reproduced_by": record.uid, "shackdoo.reproduced": verdict.word}
            record.link(self.run.run.uid, told)
        return verdict

    def _run(self, ready: Ready, record: HeldRecord) -> int:
        """Run the recorded flows in a child; return its exit code."""
        threads = None if self.wish.here else self.manifest["determinism"].get("threads_used")
        again = Again(self.run.run.uid, record.uid, self.project.root, threads, self.wish.epochs)
        paths = [*map(str, ready.paths), *filter(None, [ready.variables.get("PYTHONPATH")])]
        environment = {
            **ready.variables,
            "PYTHONPATH": os.pathsep.join(paths),
            **again.variable(),
            ROOT_VARIABLE: str(ready.tree.root),
            STATE_VARIABLE: str(self.project.state_dir()),
            URI_VARIABLE: self.uri,
        }
        command = self._command(ready, environment)
        self.say(f"run       {record.uid}")
        with _child(command, ready.tree.root, environment) as child:
            note_child(self.scratch, psutil.Process(child.pid))
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return child.wait(POLL_SECONDS)
                record.ship_when_begun()

    def _command(self, ready: Ready, environment: Mapping[str, str]) -> list[Any]:
        request = [*ready.request, *OWN_SETTINGS]
        if ready.image is None:
            return [ready.python, "-m", "shackdoo.cli", *request]
        data = self.project.root / "data"
        data.mkdir(exist_ok=True)
        return docker_command(
            ready.image,
            ready.tree.root,
            self.project.state_dir(),
            self.uri,
            request,
            environment,
            gpus=bool(self.manifest["machine"]["gpus"]),
            mounts=[data, self.scratch],
            links=ready.links,
        )

    def _explain_unbegun(self, code: int) -> None:
        """Raise why the child has left no record."""
        if code:
            self._explain(code)
        raise IngredientError(
            f"The recorded code of the run {self.run.name} brings a shackdoo that is too old to be "
            f"told that it reproduces a run."
        )

    def _explain(self, code: int) -> None:
        """Raise what the end of the child means."""
        if code in (-signal.SIGINT, 128 + signal.SIGINT):
            raise KeyboardInterrupt
        if code == RequestError.exit_code:
            raise RequestError(
                f"What was recorded of the run {self.run.name} is refused now; the reason stands "
                f"above. Nothing was trained."
            )
        raise RunError(
            f"The run {self.run.name} was made again and has failed (exit {code}), which the "
            f"recorded one ({self.run.run.status}) did not; the reason stands above."
        )

    def _verdict(self, outcome: Outcome, new: RecordedRun, own: Collection[str]) -> Verdict:
        recorded, now = self.run.manifest, new.manifest
        # The tree's own packages are in the tree, not in the environment that was built.
        found = [
            each
            for each in ranked(differences(recorded, _with_notebook(now, recorded)))
            if each.ingredient != "environment" or normalized(each.name) not in own
        ]
        first, second, epochs = outcome, new.outcome, self.wish.epochs
        if epochs is not None or not first.metrics:  # it never came to its results
            first, second = first.curves_alone(epochs), second.curves_alone(epochs)
        return Verdict(
            new.run.uid,
            tuple(found),
            effect(first, second),
            first,
            second,
            None if epochs is None else min(epochs, _epochs(first)),
            (described(recorded), described(now)),
        )


def _with_notebook(now: Mapping[str, Any], recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a manifest whose class from a notebook is called as it was called there."""
    target = str(recorded["config"]["task"]["_target_"])
    if not target.startswith(MAIN):
        return now
    task = {**now["config"]["task"], "_target_": target}
    config = {**now["config"], "task": task}
    return {**now, "config": config, "config_digest": config_digest(config)}


def _epochs(outcome: Outcome) -> int:
    """Return how many epochs have a value."""
    curves = outcome.curves.items()
    return max(
        (step for n, steps in curves if not n.startswith(STEPS) for step in steps), default=0
    )


def _status(code: int) -> str:
    if code == 0:
        return "FINISHED"
    stopped = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    return "KILLED" if code < 0 or code - 128 in stopped else "FAILED"


@contextlib.contextmanager
def _child(
    command: list[Any], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child; whatever ends this process in its own order ends the child before.

    It is out of the terminal's group: a Ctrl-C that came to it while its Python starts would end
    it without order, or with a traceback.
    """
    shown, none = sys.stderr.fileno(), subprocess.DEVNULL
    try:
        child = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=none, stdout=shown, process_group=0
        )
    except FileNotFoundError as error:
        raise IngredientError(f"The program {error.filename} is not on this machine.") from None
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
