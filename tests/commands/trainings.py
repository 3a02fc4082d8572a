"""Trainings in processes of their own that are sent a signal at a chosen moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from shackdoo.tracking.state import LocalRun, local_runs

SECONDS = 120.0


def signalled(
    number: signal.Signals,
    *request: str,
    when: Callable[[LocalRun], bool],
    after: float = 0.0,
) -> tuple[LocalRun, int]:
    """Start a training and send it a signal so many seconds after ``when`` has come true.

    Returns:
        Its run, and the exit code.
    """
    state = Path(os.environ["SHACKDOO_STATE"])
    before = {run.uid for run in local_runs(state)}
    with subprocess.Popen(
        [sys.executable, "-m", "shackdoo.cli", "train", *request],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as training:
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end and training.poll() is None:
                new = [run for run in local_runs(state) if run.uid not in before]
                if new and when(new[0]):
                    time.sleep(after)
                    training.send_signal(number)
                    break
                time.sleep(0.02)
            code = training.wait(SECONDS)
        finally:
            training.kill()
    (run,) = (run for run in local_runs(state) if run.uid not in before)
    return run, code
