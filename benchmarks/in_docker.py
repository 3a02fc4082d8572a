"""What Docker costs: ``mlflow run`` in a container against the same training outside, in turns.

Also the image's size, how long it takes to build (with --build: nothing kept, and all kept but the
code), and how long a run takes to be closed after Ctrl-C. Wants the image: make docker-build GPU=0.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import HERE, figure, interleave, print_machine, print_table

ROOT = HERE.parent
MLFLOW = Path(sys.executable).with_name("mlflow")
IMAGE = "shackdoo"
LONG = "task.parameters.epochs=500 task.parameters.max_steps_per_epoch=50"


@dataclass(frozen=True)
class Whole:
    """A command with all that it starts, in whatever process: seconds of the machine's own clock.

    Attributes:
        wall: seconds until the prompt.
        cpu: CPU seconds of the whole machine meanwhile; the container's are nobody's children.
    """

    wall: float
    cpu: float


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (default: 5)")
    parser.add_argument("--build", action="store_true", help="build the image too (minutes)")
    parser.add_argument("--task", default="Mnist_B", help="the task (default: Mnist_B)")
    arguments = parser.parse_args()
    with clone() as tree:
        if arguments.build:
            print_builds(tree)
        print_table("image", ["", "MB"], [(IMAGE, f"{size(IMAGE) / 1e6:.0f}")])
        variants = {
            "mlflow run local (no container)": lambda: train(tree, "local", arguments.task),
            "mlflow run . (in the image)": lambda: train(tree, ".", arguments.task),
        }
        for variant in variants.values():
            variant()  # compiled programs are cached from here on, for both in one place
        results = interleave(variants, arguments.rounds)
        print_overhead(arguments.task, results)
        ends = [seconds_to_close(tree) for _ in range(arguments.rounds)]
        print_table(
            f"Ctrl-C, {arguments.rounds} runs", ["until the run is closed, s"], [(figure(ends),)]
        )
    print_machine()


def print_overhead(task: str, results: dict[str, list[Whole]]) -> None:
    """Print wall and CPU of both, and the ratios pair by pair."""
    outside, inside = results.values()
    rows = [
        (name, figure(one.wall for one in some), figure(one.cpu for one in some))
        for name, some in results.items()
    ]
    pairs = list(zip(inside, outside, strict=True))
    rows.append(
        (
            "ratio, pair by pair",
            figure(one.wall / other.wall for one, other in pairs),
            figure(one.cpu / other.cpu for one, other in pairs),
        )
    )
    rows.append(
        (
            "difference, pair by pair",
            figure(one.wall - other.wall for one, other in pairs),
            figure(one.cpu - other.cpu for one, other in pairs),
        )
    )
    title = f"{task} by MLflow Projects, warm, {len(pairs)} pairs"
    print_table(title, ["", "wall s", "CPU s of the machine"], rows)


def print_builds(tree: Path) -> None:
    """Print how long the CPU image takes from nothing, from what is kept, and after a change."""
    took = {"from nothing": build(tree, "--no-cache"), "nothing changed": build(tree)}
    with (tree / "shackdoo" / "tasks" / "ink.py").open("a", encoding="utf-8") as file:
        file.write("# a change of code\n")
    took["code changed"] = build(tree)
    rows = [(name, f"{seconds:.1f}") for name, seconds in took.items()]
    print_table("building the CPU image", ["", "s"], rows)


def build(tree: Path, *options: str) -> float:
    """Return the seconds that building takes."""
    values = ["--build-arg", "REQUIREMENTS=requirements.lock", "--tag", f"{IMAGE}-bench"]
    began = time.perf_counter()
    command = ["docker", "build", "--quiet", *options, *values, "."]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    return time.perf_counter() - began


def size(image: str) -> int:
    """Return an image's size in bytes."""
    said = subprocess.check_output(["docker", "image", "inspect", image], text=True)
    return int(json.loads(said)[0]["Size"])


@contextmanager
def clone() -> Iterator[Path]:
    """Give a clone of this checkout, which both kinds of run are started from."""
    with tempfile.TemporaryDirectory(prefix="shackdoo-bench-") as folder:
        tree = Path(folder) / "shackdoo"
        subprocess.run(["git", "clone", "--quiet", ROOT, tree], check=True)
        yield tree
        shutil.rmtree(tree, ignore_errors=True)


def start(tree: Path, project: str, *values: str) -> subprocess.Popen[str]:
    """Start a training by MLflow Projects."""
    parameters = [part for value in values for part in ("-P", value)]
    environment = {"SHACKDOO_STATE": str(tree.parent / "state"), "GPU": "0"}
    path = f"{MLFLOW.parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        [MLFLOW, "run", project, "-e", "train", *parameters, "--env-manager", "local"],
        cwd=tree,
        env={**os.environ, **environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def train(tree: Path, project: str, task: str) -> Whole:
    """Return what a whole training takes."""
    cpu, wall = busy_seconds(), time.perf_counter()
    process = start(tree, project, f"task={task}")
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(said)
    return Whole(time.perf_counter() - wall, busy_seconds() - cpu)


def busy_seconds() -> float:
    """Return the CPU seconds that all processes of the machine have had (Linux)."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _, _, interrupts, soft = (int(field) for field in fields[:7])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def seconds_to_close(tree: Path) -> float:
    """Return how long after Ctrl-C the run has its end on record."""
    process = start(tree, ".", "task=Mnist_B", f"overrides={LONG}")
    if process.stdout is None:
        raise SystemExit("mlflow run says nothing")
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            break
    began = time.time()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    journals = (tree.parent / "state" / "runs").glob("*/journal.jsonl")
    newest = max(journals, key=lambda path: path.stat().st_mtime)
    (end,) = [
        entry["time"] / 1000
        for entry in map(json.loads, newest.read_text(encoding="utf-8").splitlines())
        if entry["kind"] == "end"
    ]
    return end - began


if __name__ == "__main__":
    main()
