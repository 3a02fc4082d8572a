"""Forks of one process with TensorFlow in it, each a training; most of them are killed.

    python killed_forks.py KILLS key=value …

Prints JSON: digests of the weights of trainings left alone (``whole``), of those that were killed
and resumed (``resumed``), and the seconds after which each was killed (``moments``).
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from shackdoo.tracking.continued import read_recorded
from shackdoo.tracking.state import local_runs
from shackdoo.training.runtime import load_tensorflow

TWICE = 0.25  # part of the trainings that are killed once more after they were resumed
STATE = Path(os.environ["SHACKDOO_STATE"])


def fork(arguments: Sequence[str]) -> int:
    """Start the program in a fork; return the pid."""
    if pid := os.fork():
        return pid
    from shackdoo.cli import main

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    sys.argv = ["shackdoo", *arguments]
    os._exit(main(arguments))


def ended(pid: int) -> int:
    """Wait for a fork; return its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_after(seconds: float, pid: int) -> None:
    """Kill a fork after so many seconds, if it has not ended by then."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def newest_weights() -> str:
    """Return the digest of the weights of the newest run."""
    return read_recorded(local_runs(STATE)[0].journal).tags["shackdoo.weights_sha256"]


def killed(request: Sequence[str], moment: Callable[[], float], twice: bool) -> list[float]:
    """Kill a training, once or twice; return when."""
    moments = [moment()]
    killed_after(moments[0], fork(["train", *request]))
    if twice:
        moments.append(moment())
        killed_after(moments[1], fork(["train", *request, "resume=auto"]))
    return moments


def main() -> None:
    """Train, kill, resume."""
    kills, request = int(sys.argv[1]), sys.argv[2:]
    import threading

    load_tensorflow()
    assert threading.active_count() == 1  # a fork has the calling thread only
    chance, whole, resumed, moments = random.Random(17), [], [], []
    assert ended(fork(["train", *request])) == 0  # compiles, for those to come
    whole.append(newest_weights())
    began = time.monotonic()
    assert ended(fork(["train", *request])) == 0
    seconds = time.monotonic() - began
    whole.append(newest_weights())
    for number in range(kills):
        twice = number % round(1 / TWICE) == 0
        moments.append(killed(request, lambda: chance.uniform(0, seconds), twice))
        assert ended(fork(["train", *request, "resume=auto"])) == 0
        resumed.append(newest_weights())
    print(json.dumps({"whole": whole, "resumed": resumed, "moments": moments}))


if __name__ == "__main__":
    main()
