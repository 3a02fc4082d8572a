"""System metrics: CPU, memory and NVIDIA GPUs, sampled by a thread beside the training.

The names are MLflow's own, so that its page of system metrics shows them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from shackdoo.metric_names import SYSTEM

Sample = dict[str, float]

MEGABYTE = 1e6


class SystemMetrics:
    """Records a sample now and then, from :meth:`start` until :meth:`stop`."""

    def __init__(
        self, record: Callable[[Sample, int], None], seconds: float, first: int = 0
    ) -> None:
        """Prepare to sample.

        Args:
            record: takes a sample (name to number) and its step.
            seconds: between two samples.
            first: step of the first sample; the others follow.
        """
        self._record = record
        self._seconds = seconds
        self._first = first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)

    def start(self) -> None:
        """Begin; the first sample comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is recorded once this has returned."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        psutil.cpu_percent()  # what it tells is of the time since it was last asked
        step = self._first
        with _gpus() as gpus:
            while not self._stopped.wait(self._seconds):
                sample = _machine() | gpus()
                if self._stopped.is_set():
                    return
                self._record({f"{SYSTEM}{name}": value for name, value in sample.items()}, step)
                step += 1


def _machine() -> Sample:
    """Return CPU use in percent of all cores, and memory in MB and percent."""
    sample: Sample = {}
    with contextlib.suppress(psutil.Error, OSError):
        sample["cpu_utilization_percentage"] = psutil.cpu_percent()
        memory = psutil.virtual_memory()
        sample["system_memory_usage_megabytes"] = memory.used / MEGABYTE
        sample["system_memory_usage_percentage"] = memory.percent
        sample["process_memory_usage_megabytes"] = psutil.Process().memory_info().rss / MEGABYTE
    return sample


@contextlib.contextmanager
def _gpus() -> Iterator[Callable[[], Sample]]:
    """Give a function that samples all NVIDIA GPUs; without any, or their library, nothing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, no right to ask: no metrics
        yield dict
        return
    try:
        devices = [
            pynvml.nvmlDeviceGetHandleByIndex(number)
            for number in range(pynvml.nvmlDeviceGetCount())
        ]
        yield lambda: {
            f"gpu_{number}_{name}": value
            for number, device in enumerate(devices)
            for name, value in _gpu(pynvml, device).items()
        }
    finally:
        with contextlib.suppress(Exception):
            pynvml.nvmlShutdown()


def _gpu(nvml: Any, device: Any) -> Sample:
    """Return use and memory of a GPU in percent and MB, and its power in watts."""
    sample: Sample = {}
    with contextlib.suppress(nvml.NVMLError):  # an old card does not tell everything
        memory = nvml.nvmlDeviceGetMemoryInfo(device)
        sample["memory_usage_megabytes"] = memory.used / MEGABYTE
        sample["memory_usage_percentage"] = 100 * memory.used / memory.total
        sample["utilization_percentage"] = float(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
        sample["power_usage_watts"] = nvml.nvmlDeviceGetPowerUsage(device) / 1000
    return sample
