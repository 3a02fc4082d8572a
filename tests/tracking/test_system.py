"""System metrics; the machine is real, the GPU is a double: there is none where tests run."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace

import pytest

from shackdoo.tracking.memory import MemoryTracker
from shackdoo.tracking.system import SystemMetrics

MACHINE = {
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
    "system/process_memory_usage_megabytes",
}
GPU = {
    "system/gpu_0_memory_usage_megabytes",
    "system/gpu_0_memory_usage_percentage",
    "system/gpu_0_utilization_percentage",
    "system/gpu_0_power_usage_watts",
}


def sampled(seconds: float = 0.02, samples: int = 3) -> MemoryTracker:
    tracker = MemoryTracker()
    sampler = SystemMetrics(tracker.metrics, seconds)
    sampler.start()
    end = time.monotonic() + 20
    while len({step for _, _, step in tracker.recorded_metrics}) < samples:
        assert time.monotonic() < end
        time.sleep(0.01)
    sampler.stop()
    return tracker


def test_the_machine_is_sampled_and_nothing_comes_after_the_end() -> None:
    tracker = sampled()
    count = len(tracker.recorded_metrics)
    assert {name for name, _, _ in tracker.recorded_metrics} == MACHINE
    latest = {name: value for name, value, _ in tracker.recorded_metrics}
    assert 0 < latest["system/system_memory_usage_percentage"] <= 100
    assert 0 <= latest["system/cpu_utilization_percentage"] <= 100
    assert latest["system/process_memory_usage_megabytes"] > 1
    steps = sorted({step for _, _, step in tracker.recorded_metrics})
    assert steps == list(range(len(steps)))
    tracker.end("FINISHED")
    time.sleep(0.1)
    assert len(tracker.recorded_metrics) == count


def test_stopping_does_not_wait_for_the_next_sample() -> None:
    sampler = SystemMetrics(MemoryTracker().metrics, 3600)
    sampler.start()
    began = time.monotonic()
    sampler.stop()
    assert time.monotonic() - began < 2
    assert not any(thread.name == "system-metrics" for thread in threading.enumerate())


def test_one_that_was_never_started_stops() -> None:
    SystemMetrics(MemoryTracker().metrics, 1).stop()


def test_a_gpu_that_does_not_tell_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    class NVMLError(Exception):
        pass

    def no_power(device: object) -> int:
        raise NVMLError

    double = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=2e9, total=8e9),
        nvmlDeviceGetUtilizationRates=lambda device: SimpleNamespace(gpu=50),
        nvmlDeviceGetPowerUsage=lambda device: 70_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", double)
    latest = {name: value for name, value, _ in sampled().recorded_metrics}
    assert {name: latest[name] for name in GPU} == {
        "system/gpu_0_memory_usage_megabytes": 2000.0,
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_utilization_percentage": 50.0,
        "system/gpu_0_power_usage_watts": 70.0,
    }
    double.nvmlDeviceGetPowerUsage = no_power
    names = {name for name, _, _ in sampled().recorded_metrics}
    assert names == MACHINE | GPU - {"system/gpu_0_power_usage_watts"}
