"""Training by Keras' own ``fit``, not the loop's: there are no checkpoints then, and it is told."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shackdoo.training.loop import Loop

NOTICE = (
    "{name}.train() calls the model's own fit, which keeps no checkpoints: a run that is stopped "
    "begins anew. loop.fit keeps them; checkpoint.seconds=null spares this notice."
)


@contextlib.contextmanager
def told_of_fit(loop: Loop, name: str) -> Iterator[None]:
    """Tell the loop's observer, once and before it trains, if the model's ``fit`` is called.

    Args:
        loop: whose model; nothing is told if its checkpoints are off.
        name: of the task's class.
    """
    if not loop.checkpoints.kept:
        yield
        return
    model, fit, told = loop.model, loop.model.fit, False

    @functools.wraps(fit)
    def telling(*args: Any, **kwargs: Any) -> Any:
        nonlocal told
        if not told:
            told = True
            loop.observer.notice(NOTICE.format(name=name))
        return fit(*args, **kwargs)

    model.fit = telling
    try:
        yield
    finally:
        del model.fit
