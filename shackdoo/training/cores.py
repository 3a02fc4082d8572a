"""How many cores this process has: what it may run on, and the share that a container was given."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Return the number of cores this process may run on at once.

    A share in time (``docker run --cpus 2``, a limit of Kubernetes) counts as so many cores,
    rounded up: with a thread for each core of the machine they would be halted again and again.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = cpu_share(CGROUPS)
    return cores if share is None else min(cores, math.ceil(share))


def cpu_share(cgroups: Path) -> float | None:
    """Return how many cores' time a container has; None without a limit or outside of one.

    Args:
        cgroups: where Linux shows the control group of this container, version 1 or 2.
    """
    try:
        quota, period = _quota(cgroups)
    except (OSError, ValueError):  # not Linux, or no limit can be set here
        return None
    return quota / period if quota > 0 else None


def _quota(cgroups: Path) -> tuple[int, int]:
    """Return microseconds of work in so many microseconds; -1 means no limit."""
    if (second := cgroups / "cpu.max").exists():
        quota, period = second.read_text().split()
        return (-1 if quota == "max" else int(quota)), int(period)
    first = cgroups / "cpu"
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    quota, period = ((first / name).read_text() for name in names)
    return int(quota), int(period)
