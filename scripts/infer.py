"""Answer from a checkout: ``python scripts/infer.py input=…`` is ``shackdoo infer input=…``."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"  # made by `make install`

if any(importlib.util.find_spec(package) is None for package in ("hydra", "keras", "pydantic")):
    if not PYTHON.exists() or Path(sys.prefix) == ROOT / ".venv":
        sys.exit(
            f"error: {sys.executable} lacks shackdoo's packages. Run 'make install' in {ROOT}."
        )
    os.execv(PYTHON, [str(PYTHON), __file__, *sys.argv[1:]])  # noqa: S606  no shell, on purpose

# This checkout's package, here and in the processes that it starts.
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

from shackdoo.cli import end, main  # noqa: E402

end(main(["infer", *sys.argv[1:]]))
