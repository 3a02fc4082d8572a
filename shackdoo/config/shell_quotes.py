"""Arguments that arrive in a shell's quotes, since no shell stood between to take them off."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from shackdoo.errors import RequestError

VARIABLE = "SHACKDOO_QUOTED_ARGUMENTS"  # set by kubernetes/job.yaml: MLflow quotes there


def as_written(arguments: Sequence[str]) -> list[str]:
    """Return the arguments as the user wrote them.

    If ``SHACKDOO_QUOTED_ARGUMENTS`` is 1, one layer of quotes comes off each of them, and off
    ``sys.argv``, which the record of a run tells. Nothing is guessed from how an argument looks.
    The variable goes: a process that is started from here gets its arguments bare.

    Raises:
        RequestError: if an argument isn't one word in a shell's quotes.
    """
    if os.environ.pop(VARIABLE, "") != "1":
        return list(arguments)
    sys.argv[1:] = [_word(argument) for argument in sys.argv[1:]]
    return [_word(argument) for argument in arguments]


def _word(argument: str) -> str:
    try:
        (word,) = shlex.split(argument)
    except ValueError:
        raise RequestError(
            f"{VARIABLE} is 1, so each argument has to be one word in a shell's quotes, and "
            f"{argument!r} is not. Write it as {shlex.quote(argument)}, or leave the variable out "
            f"where the program gets its arguments without quotes."
        ) from None
    return word
