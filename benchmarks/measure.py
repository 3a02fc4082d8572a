"""What every benchmark shares: whole processes timed from outside, interleaved, as a table.

Wall time is what a user waits. CPU time (user and system, all threads, and children that the
process has waited for) is the operating system's own account and varies less on a busy machine.
Figures read ``median (minimum to maximum)``.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
MNIST = ROOT / "data" / "raw" / "mnist.pkl.gz"
SHACKDOO = [sys.executable, "-m", "shackdoo.cli"]
KERAS_BLOCKED = (
    "sklearn",
    "matplotlib",
    "pandas",
)  # Keras imports them only because they are there

_POLL_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36  # from linux/prctl.h


@dataclass(frozen=True)
class Measure:
    """One finished process.

    Attributes:
        wall: seconds from start to end.
        cpu: user and system seconds of it and of the children it waited for.
        peak_mb: largest resident size of one process, MB.
        status: exit status.
        output: what it wrote on stdout.
        errors: what it wrote on stderr.
    """

    wall: float
    cpu: float
    peak_mb: float
    status: int
    output: str
    errors: str

    def result(self) -> Any:
        """Return the JSON in the last line of stdout; end the benchmark if the process failed."""
        self.require(0)
        return json.loads(self.output.splitlines()[-1])

    def require(self, status: int) -> Measure:
        """Return itself, or end the benchmark with its stderr if it ended with another status."""
        if self.status != status:
            sys.exit(f"exit status {self.status} instead of {status}:\n{self.errors[-2000:]}")
        return self


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Measure:
    """Run a process to its end and return what it took.

    Args:
        command: the program and its arguments.
        environment: variables to set besides those of this process.
        cwd: its working directory.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)  # or Popen waits once more
        output.seek(0)
        errors.seek(0)
        return Measure(
            wall,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
            process.returncode,
            output.read(),
            errors.read(),
        )


def interleave(variants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Run every variant once a round, in turns and every other round backwards.

    So a machine that slows down or speeds up meanwhile does so for all of them.

    Returns:
        Name to what the variant returned in each round.
    """
    results: dict[str, list[Any]] = {name: [] for name in variants}
    for number in range(rounds):
        names = list(variants) if number % 2 == 0 else list(variants)[::-1]
        for name in names:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            results[name].append(variants[name]())
    return results


@dataclass(frozen=True)
class Tracked:
    """One tracked training: until the prompt came back, and until its store said FINISHED.

    Attributes:
        prompt: the process itself.
        finished_wall: seconds from its start until the store had the run as FINISHED.
        finished_cpu: CPU seconds of it and of everything it left running, to their end.
        metrics: the run's last value of each metric.
    """

    prompt: Measure
    finished_wall: float
    finished_cpu: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Place:
    """A store and a state folder of their own, so that measuring leaves a user's alone."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead shackdoo there."""
        return {
            "SHACKDOO_ROOT": str(ROOT),
            "SHACKDOO_STATE": str(self.folder / "state"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
        }

    def train(self, *overrides: str, patience: float = 300) -> Tracked:
        """Run ``shackdoo train`` and wait until its store says FINISHED.

        Args:
            overrides: ``key=value`` arguments.
            patience: seconds to wait for that after the prompt.
        """
        before = set(self._runs())
        began = time.perf_counter()
        prompt = run([*SHACKDOO, "train", *overrides], self.environment, self.folder).require(0)
        run_id = self._await_finished(before, time.perf_counter() + patience)
        finished_wall = time.perf_counter() - began
        return Tracked(prompt, finished_wall, prompt.cpu + reap(), self._metrics(run_id))

    def _await_finished(self, before: set[str], deadline: float) -> str:
        while time.perf_counter() < deadline:
            for run_id, status in self._runs().items():
                if run_id not in before and status == "FINISHED":
                    return run_id
            time.sleep(_POLL_SECONDS)
        sys.exit("the store has no FINISHED run; is tracking off?")

    def _runs(self) -> dict[str, str]:
        return dict(self._query("SELECT run_uuid, status FROM runs"))

    def _metrics(self, run_id: str) -> dict[str, float]:
        return dict(self._query("SELECT key, value FROM latest_metrics WHERE run_uuid = ?", run_id))

    def _query(self, sql: str, *values: str) -> list[Any]:
        try:
            connection = sqlite3.connect(f"file:{self.folder / 'mlflow.db'}?mode=ro", uri=True)
            try:
                return connection.execute(sql, values).fetchall()
            finally:
                connection.close()
        except sqlite3.OperationalError:  # not there yet, or being written
            return []


@contextmanager
def place() -> Iterator[Place]:
    """Give a fresh :class:`Place` that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="shackdoo-bench-", ignore_cleanup_errors=True) as name:
        yield Place(Path(name))


def adopt_orphans() -> None:
    """Become the parent of what a measured process leaves running (Linux), so that it counts."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap() -> float:
    """Wait for all processes left running; return their CPU seconds."""
    seconds = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return seconds
        seconds += usage.ru_utime + usage.ru_stime


def settings(task: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the composed configuration of a task, as plain values."""
    command = [*SHACKDOO, "train", f"task={task}", *overrides, "--cfg", "job"]
    values: dict[str, Any] = yaml.safe_load(run(command).require(0).output)
    return values


def figure(values: Iterable[float], digits: int = 2) -> str:
    """Return ``median (minimum to maximum)``."""
    numbers = list(values)
    middle, low, high = statistics.median(numbers), min(numbers), max(numbers)
    if len(numbers) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a markdown table under a heading."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def print_difference(title: str, results: Mapping[str, Sequence[Measure]]) -> None:
    """Print a table of two variants, and what the second takes more, pair by pair."""
    rows = [
        (name, figure(each.wall for each in some), figure(each.cpu for each in some))
        for name, some in results.items()
    ]
    pairs = list(zip(*results.values(), strict=True))
    difference = (
        "difference, pair by pair",
        figure(other.wall - one.wall for one, other in pairs),
        figure(other.cpu - one.cpu for one, other in pairs),
    )
    print_table(title, ("what", "wall s", "CPU s"), [*rows, difference])


def print_machine() -> None:
    """Print what the figures were taken on and how busy it was."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("tensorflow", "keras", "mlflow", "numpy")
    )
    load = os.getloadavg()[0]
    print(
        f"\n{_processor()}, {os.cpu_count()} cores; {platform.system()}, Python "
        f"{platform.python_version()}; {packages}; load of the last minute {load:.1f}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
