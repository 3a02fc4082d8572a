"""Several devices of one machine: made ready, and what can't be shared among them.

TensorFlow is imported by the functions that need it: what is known before is checked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shackdoo.errors import RunError

if TYPE_CHECKING:
    from shackdoo.config.schema import StrategySpec

BATCH_SIZES = ("batch_size", "evaluation_batch_size")  # parameters that devices share

# Keras clips the gradients of each device before it adds them up, and fails to accumulate them, or
# to overwrite weights by their average, where devices meet.
UNSHARED_ARGUMENTS = (
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "gradient_accumulation_steps",
    "ema_overwrite_frequency",
)


def make_devices(strategy: StrategySpec) -> int:
    """Make the devices of a strategy ready; return how many they are.

    To be called before TensorFlow computes anything: shares of a CPU can't be made later.

    Raises:
        RunError: if this machine, or this process, does not have them.
    """
    if strategy.name == "single":
        return 1
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus:
        return _of_gpus(strategy.devices, gpus)
    if strategy.devices is None:
        raise RunError(
            "strategy.devices is null, which means all GPUs, but TensorFlow finds none here. Set "
            "strategy.devices=2 to try it with two shares of the CPU, or leave out "
            "strategy=mirrored."
        )
    _share_cpu(tf, strategy.devices)
    return strategy.devices


def placement(strategy: StrategySpec) -> AbstractContextManager[Any]:
    """Return the context in which a model is built and compiled to be trained so.

    Raises:
        RunError: see :func:`make_devices`.
    """
    devices = make_devices(strategy)
    if strategy.name == "single":
        return nullcontext()
    import tensorflow as tf

    on_gpus = bool(tf.config.list_physical_devices("GPU"))
    names = [f"{'GPU' if on_gpus else 'CPU'}:{number}" for number in range(devices)]
    # On CPUs the sum is taken in one place, in the order of the devices; GPUs have their own way.
    together = None if on_gpus else tf.distribute.ReductionToOneDevice()
    scope: AbstractContextManager[Any] = tf.distribute.MirroredStrategy(names, together).scope()
    return scope


def unshared_batch(name: str, size: int, devices: int) -> str | None:
    """Return why a batch can't be shared equally among the devices, None if it can.

    Args:
        name: of the parameter.
        size: examples of a batch, those of all devices together.
        devices: how many share it.
    """
    if size % devices == 0:
        return None
    lower = size - size % devices
    near = f"{lower} or {lower + devices}" if lower else f"{devices}"
    return (
        f"task.parameters.{name} is {size}, which {devices} devices can't share equally: it counts "
        f"the examples of all of them together. Choose a multiple of {devices}, such as {near}."
    )


def unshared_argument(arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first argument of an optimizer that means something else on several devices.

    Returns:
        Its name, and why it is refused; None if there is none.
    """
    for name in UNSHARED_ARGUMENTS:
        if arguments.get(name):
            return name, (
                f"optimizer.{name} is {arguments[name]}, which Keras does not apply to the "
                f"gradients of all devices together, so it can't be used with strategy=mirrored. "
                f"Leave it away, or train on one device (strategy=single)."
            )
    return None


def _of_gpus(wanted: int | None, gpus: int) -> int:
    if wanted is not None and wanted > gpus:
        raise RunError(
            f"strategy.devices is {wanted}, but TensorFlow finds {gpus} GPU(s) here. Set at most "
            f"{gpus}, or null for all of them."
        )
    return wanted or gpus


def _share_cpu(tf: ModuleType, shares: int) -> None:
    """Let the CPU look like so many devices."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    there = len(tf.config.get_logical_device_configuration(cpu) or [cpu])
    if there == shares:
        return
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * shares
        )
    except RuntimeError:
        raise RunError(
            f"TensorFlow has {there} device(s) in this process already and can't change to "
            f"{shares}. Runs that differ in strategy.devices need a process each."
        ) from None
