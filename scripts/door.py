"""The door of the scripts beside this: a command of shackdoo from a checkout."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"  # made by `make install`


def enter(command: str) -> NoReturn:
    """Run ``shackdoo COMMAND`` with the arguments of this process, and end it.

    With another Python than the checkout's own that lacks the packages, that one takes over.
    """
    if any(importlib.util.find_spec(package) is None for package in ("hydra", "keras", "pydantic")):
        if not PYTHON.exists() or Path(sys.prefix) == ROOT / ".venv":
            sys.exit(
                f"error: {sys.executable} lacks shackdoo's packages. Run 'make install' in {ROOT}."
            )
        os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606  no shell, on purpose
    # This checkout's package, here and in the processes that it starts.
    sys.path.insert(0, str(ROOT))
    above = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), above]))
    from shackdoo.cli import entry

    entry([command, *sys.argv[1:]])
