"""Reproducible deep-learning experiments: a task, its YAML, one command, a record of every run.

From Python, in a notebook for instance::

    experiment = shackdoo.compose("Mnist_B", seed=1)
    run = shackdoo.train(experiment)
    shackdoo.load(run).predict(images)
    shackdoo.runs(task="Mnist_B")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shackdoo.api import compose, load, runs, train

__version__ = "0.1.0"
__all__ = ["compose", "load", "runs", "train"]


def __getattr__(name: str) -> Any:
    """Load the functions when they are first used: importing the package loads next to nothing."""
    if name in __all__:
        from shackdoo import api

        return getattr(api, name)
    raise AttributeError(f"module 'shackdoo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
