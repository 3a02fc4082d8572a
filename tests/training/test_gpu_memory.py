"""The memory of every GPU that TensorFlow lists is taken as the configuration says.

Where there is no GPU, TensorFlow is told of two: it keeps what it is told to do with each, and
answers about it, without having used one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys
from pathlib import Path
from shackdoo.config.schema import DeterminismSpec, GpuSpec
from shackdoo.training.runtime import load_tensorflow, start_tensorflow

load_tensorflow()
import tensorflow as tf

def start(grow):
    one = DeterminismSpec(enabled=True, threads=1)
    start_tensorflow(one, GpuSpec(memory_growth=grow), 7, Path(sys.argv[1]))

def growth():
    gpus = tf.config.list_physical_devices("GPU")
    return [bool(tf.config.experimental.get_memory_growth(gpu)) for gpu in gpus]
"""
TWO_GPUS = """
from tensorflow.python.eager import context

tf.config.list_physical_devices()
for name in ("/physical_device:GPU:0", "/physical_device:GPU:1"):
    gpu = context.PhysicalDevice(name, "GPU")
    context.context()._physical_devices.append(gpu)
    context.context()._memory_growth_map[gpu] = None
"""


def run(code: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(cache)], capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("grow", [True, False])
def test_each_gpu_is_set(grow: bool, tmp_path: Path) -> None:
    done = run(f"{START}{TWO_GPUS}start({grow}); start({grow}); print(growth())", tmp_path)
    assert done.stdout == f"{[grow, grow]}\n", done.stderr
    assert done.stderr == ""


def test_a_gpu_that_is_divided_up_stays_so_and_is_named(tmp_path: Path) -> None:
    divided = """
first = tf.config.list_physical_devices("GPU")[0]
half = tf.config.LogicalDeviceConfiguration(memory_limit=512)
tf.config.set_logical_device_configuration(first, [half, half])
"""
    done = run(f"{START}{TWO_GPUS}{divided}start(True); print(growth())", tmp_path)
    assert done.stdout == "[False, True]\n", done.stderr
    assert done.stderr == (
        "gpu.memory_growth=true comes too late for /physical_device:GPU:0: this process has set "
        "it up already. It goes on with that.\n"
    )


def test_this_machine_computes_whether_it_has_a_gpu_or_not(tmp_path: Path) -> None:
    code = f"{START}start(True); print(set(growth()) <= {{True}}, int(tf.constant(20) + 1))"
    done = run(code, tmp_path)
    assert done.stdout == "True 21\n", done.stderr


@pytest.mark.parametrize(("grow", "most_is_taken"), [(True, False), (False, True)])
def test_a_gpu_s_memory_is_taken_as_it_is_needed_or_at_once(
    grow: bool, most_is_taken: bool, tmp_path: Path
) -> None:
    code = f"""{START}
import subprocess

def free():
    asked = ["nvidia-smi", "--id=0", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)

if not tf.config.list_physical_devices("GPU"):
    print("no GPU")
else:
    before = free()
    start({grow})
    tf.constant(20.0) + 1
    print(free() < before / 2)
"""
    done = run(code, tmp_path)
    if done.stdout == "no GPU\n":
        pytest.skip("TensorFlow finds no GPU on this machine")
    assert done.stdout == f"{most_is_taken}\n", done.stderr
