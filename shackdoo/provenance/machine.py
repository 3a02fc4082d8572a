"""The hardware a run is computed on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

GPU_QUERY = "--query-gpu=name,driver_version,memory.total"


def describe() -> dict[str, Any]:
    """Return host, system, CPU, memory in bytes, and GPUs; null where it can't be told."""
    cpu = _cpu()
    return {
        "hostname": platform.node(),
        "system": platform.platform(),
        "architecture": platform.machine(),
        "cpu": cpu.get("model name") or platform.processor() or None,
        "cpu_flags": sorted((cpu.get("flags") or cpu.get("Features") or "").split()),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "gpus": gpus(),
    }


def _cpu() -> dict[str, str]:
    """Return the first processor's entry in ``/proc/cpuinfo``; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def gpus() -> list[dict[str, str]]:
    """Return name, driver and memory of each GPU that nvidia-smi tells of."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", GPU_QUERY, "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.split(", ") for line in done.stdout.splitlines()] if not done.returncode else []
    names = ("name", "driver", "memory")
    return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]
