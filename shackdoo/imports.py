"""How large packages are imported."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(package: str) -> Iterator[None]:
    """Keep the garbage collector from going through modules over and over, now and later.

    A quarter of TensorFlow's import is spent on that, a seventh of MLflow's, and none of it is
    ever garbage.

    Args:
        package: what is imported; once it is there, nothing is done.
    """
    if not gc.isenabled() or package in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
