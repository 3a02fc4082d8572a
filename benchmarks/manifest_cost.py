"""What it takes to put on record what a run is made of: seconds until the training may start.

A fresh process each time, in turns, in a clone of this repository that is clean, and in one with
changed and untracked files. The parts are timed as a run does them, one after the other; the
commands of git work meanwhile, so `git` is what is left to wait for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import HERE, ROOT, figure, interleave, place, print_machine, print_table, run

PARTS = {
    "start": "git and nvidia-smi are started",
    "code": "the task's files are read",
    "environment": "packages and their versions",
    "git": "waiting for git",
    "rest": "digests, machine, secrets",
    "keep": "diff and untracked files are kept",
    "model": "the zip that the model is logged with",
    "write": "the manifest is written and journaled",
}
CHANGED, UNTRACKED = 20, 50  # files of the dirty clone


def main() -> None:
    """Time each in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="processes of each (default: 15)")
    parser.add_argument("--once", action="store_true", help="print one measurement as JSON")
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(once()))
        return
    with place() as somewhere:
        clean, dirty = (clone(somewhere.folder / name) for name in ("clean", "dirty"))
        soil(dirty)
        variants = {
            path.name: lambda path=path: run(
                [sys.executable, HERE / "manifest_cost.py", "--once"],
                {**somewhere.environment, "SHACKDOO_ROOT": str(path)},
            ).result()
            for path in (clean, dirty)
        }
        results = interleave(variants, arguments.rounds)
    rows = [
        (about, *(figure((one[part] * 1000 for one in runs), 0) for runs in results.values()))
        for part, about in PARTS.items()
    ]
    sums = ([sum(one.values()) * 1000 for one in runs] for runs in results.values())
    rows.append(("all of it", *(figure(each, 0) for each in sums)))
    print_table(f"The manifest, ms, {arguments.rounds} processes each", ("part", *results), rows)
    print_machine()


def clone(path: Path) -> Path:
    """Return a clone of this repository."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(path)], check=True)
    return path


def soil(path: Path) -> None:
    """Change some files, and put others beside them."""
    for file in sorted((path / "shackdoo").rglob("*.py"))[:CHANGED]:
        file.write_text(f"{file.read_text()}\n# changed\n")
    for number in range(UNTRACKED):
        (path / f"new{number}.py").write_text("x = 1\n" * 200)


class Clock:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Book what is done in the context."""
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Book the calls of a function from now on."""
        original = getattr(owner, function)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return original(*arguments, **options)

        setattr(owner, function, timed)


def once() -> dict[str, float]:
    """Return the seconds of each part, in this process."""
    from shackdoo.commands import captured as capturing
    from shackdoo.commands.checking import check
    from shackdoo.commands.kept_code import KeptCode
    from shackdoo.commands.model_code import keep_code
    from shackdoo.commands.record_place import open_place
    from shackdoo.config.compose import compose
    from shackdoo.config.project import find_project
    from shackdoo.provenance import environment
    from shackdoo.provenance.capture import write_manifest
    from shackdoo.provenance.git import Question
    from shackdoo.tracking.tracker import Artifact

    project, clock = find_project(), Clock()
    checked = check(compose("train", ["task=Mnist_B"], project), project)
    data, redactor = capturing.training_data(checked), checked.redactor()
    place = open_place(checked, redactor, print)
    assert place.folder is not None
    files = place.folder / "files"

    clock.watch(capturing, "Capture", "start")
    clock.watch(capturing, "collect", "code")
    clock.watch(environment, "describe", "environment")
    clock.watch(Question, "answer", "git")
    with clock.part("rest"):
        captured = capturing.captured(checked, place.uid, data)
    inner = sum(clock.seconds[part] for part in ("start", "code", "environment", "git"))
    clock.seconds["rest"] -= inner
    with clock.part("keep"):
        KeptCode(captured, project.root, place.keep, print).run(files, False)
    with clock.part("model"):
        keep_code(checked, captured.code, redactor, place.keep, print)
    with clock.part("write"):
        write_manifest(captured.manifest, files / "manifest.json")
        place.tracker.attach(Artifact(files / "manifest.json", ""))
    place.tracker.end("FINISHED")
    return clock.seconds


if __name__ == "__main__":
    main()
