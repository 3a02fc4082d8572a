"""The hardware a run is computed on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GPU_QUERY = "--query-gpu=name,driver_version,memory.total"
GPU_SECONDS = 10.0


def describe(gpus: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return host, system, CPU, memory in bytes, and GPUs; null where it can't be told.

    Args:
        gpus: as :class:`GpuQuestion` tells of them.
    """
    cpu = _cpu()
    return {
        "hostname": platform.node(),
        "system": platform.platform(),
        "architecture": platform.machine(),
        "cpu": cpu.get("model name") or platform.processor() or None,
        "cpu_flags": sorted((cpu.get("flags") or cpu.get("Features") or "").split()),
        "cores": os.cpu_count(),
        "memory": _memory(),
        "gpus": [dict(gpu) for gpu in gpus],
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


class GpuQuestion:
    """nvidia-smi, started; the caller goes on meanwhile."""

    def __init__(self) -> None:
        command = ["nvidia-smi", GPU_QUERY, "--format=csv,noheader"]
        nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
        try:
            self._asked: subprocess.Popen[bytes] | None = subprocess.Popen(
                command, stdin=nowhere, stdout=pipe, stderr=nowhere
            )
        except OSError:
            self._asked = None

    def answer(self) -> list[dict[str, str]]:
        """Return name, driver and memory of each GPU; empty if there is no such program."""
        if self._asked is None:
            return []
        try:
            output, _ = self._asked.communicate(timeout=GPU_SECONDS)
        except subprocess.TimeoutExpired:
            self._asked.kill()
            self._asked.communicate()
            return []
        lines = output.decode("utf-8", "replace").splitlines() if not self._asked.returncode else []
        names, rows = ("name", "driver", "memory"), [line.split(", ") for line in lines]
        return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]


def gpus() -> list[dict[str, str]]:
    """Return name, driver and memory of each GPU that nvidia-smi tells of."""
    return GpuQuestion().answer()
