"""What a training computes on: CPU threads, NVIDIA's driver and devices, and TensorFlow itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from shackdoo.commands.checkup.finding import Finding
from shackdoo.provenance import machine
from shackdoo.training.cores import available_cores

TENSORFLOW_SECONDS = 120.0
DEVICES = Path("/dev/nvidiactl")  # made by the driver's module
PROBE = "shackdoo.commands.checkup.tensorflow_probe"
NO_GPU = "no NVIDIA GPU; trainings run on the CPU"


def look_at_cpu() -> Finding:
    """Return with how many threads TensorFlow computes here, if a run does not say."""
    import os

    cores, all_cores = available_cores(), os.cpu_count() or 1
    fact = f"{cores} threads" if cores == all_cores else f"{cores} threads of {all_cores} cores"
    return Finding("CPU", "ok", fact, None, {"threads": cores, "cores": all_cores})


def look_at_gpu() -> Finding:
    """Return NVIDIA's driver and its devices."""
    try:
        devices = _by_library()
    except _NoLibraryError:
        devices = machine.gpus()
    if devices:
        names = ", ".join(f"{each['name']} ({each['memory']})" for each in devices)
        fact = f"driver {devices[0]['driver']}: {names}"
        return Finding("NVIDIA GPU", "ok", fact, None, {"devices": devices})
    if DEVICES.exists():
        return Finding(
            "NVIDIA GPU",
            "attention",
            "the driver is there, but tells of no device",
            "nvidia-smi says why; after an update of the driver the machine has to be restarted.",
            {"devices": []},
        )
    return Finding("NVIDIA GPU", "missing", NO_GPU, None, {"devices": []})


class _NoLibraryError(Exception):
    """nvidia-ml-py is not installed."""


def _by_library() -> list[dict[str, str]]:
    """Return name, driver and memory of each GPU that NVIDIA's own library tells of."""
    try:
        import pynvml
    except ImportError:
        raise _NoLibraryError from None
    try:
        pynvml.nvmlInit()
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [
            {
                "name": str(pynvml.nvmlDeviceGetName(handle)),
                "driver": driver,
                "memory": f"{pynvml.nvmlDeviceGetMemoryInfo(handle).total >> 20} MiB",
            }
            for handle in handles
        ]
    except pynvml.NVMLError:  # no driver here, or a broken one
        return []


class TensorFlowLook:
    """TensorFlow, asked in a process of its own while others are looked at: that takes seconds."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finding(self, gpu: Finding) -> Finding:
        """Return whether TensorFlow can be used and sees the GPU, if there is one."""
        try:
            said, trouble = self._process.communicate(timeout=TENSORFLOW_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return _no_tensorflow(f"it was not imported within {TENSORFLOW_SECONDS:.0f} s")
        if self._process.returncode:
            last = trouble.strip().splitlines()[-1:] or [f"exit {self._process.returncode}"]
            return _no_tensorflow(last[0])
        return _tensorflow(json.loads(said.splitlines()[-1]), bool(gpu.details["devices"]))


def _no_tensorflow(why: str) -> Finding:
    return Finding(
        "TensorFlow",
        "broken",
        f"it can't be imported: {why}",
        "Install the locked packages: make install.",
    )


def _tensorflow(seen: dict[str, Any], has_gpu: bool) -> Finding:
    versions = f"TensorFlow {seen['tensorflow']}, Keras {seen['keras']}"
    if seen["gpus"]:
        return Finding(
            "TensorFlow", "ok", f"{versions}, sees {', '.join(seen['gpus'])}", None, seen
        )
    if not has_gpu:
        return Finding("TensorFlow", "ok", f"{versions}, computes on the CPU", None, seen)
    return Finding(
        "TensorFlow",
        "attention",
        f"{versions}, does not see the GPU and computes on the CPU",
        "Install TensorFlow with CUDA: .venv/bin/uv pip install -r requirements-gpu.lock. "
        "CUDA_VISIBLE_DEVICES may hide a GPU as well.",
        seen,
    )
