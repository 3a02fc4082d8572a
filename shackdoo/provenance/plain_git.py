"""What keeps the settings of whoever calls out of a git that works on somebody's record."""

from __future__ import annotations

import os
import re

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
SETTINGS = {  # none of the user's
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def without_git(kept: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment without what git takes from it, but for the variables ``kept``."""
    return {n: v for n, v in os.environ.items() if not n.startswith("GIT_") or n in kept}
