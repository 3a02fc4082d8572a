"""``python -m shackdoo.commands.store_check``: whether the store of the environment can be used.

For who is about to hand it to another program, which would take long to say that it can't.
"""

from __future__ import annotations

import sys

from shackdoo.config.project import find_project, load_dotenv
from shackdoo.errors import ShackdooError
from shackdoo.tracking.store import answers, resolve_uri

WAY_OUT = "Start it, or name another one in MLFLOW_TRACKING_URI; without it: mlflow.db in the tree."


def main() -> int:
    """Ask the store for an answer; return 0, or 2 after a message."""
    try:
        project = find_project()
        load_dotenv(project)
        answers(resolve_uri(None, project.root))
    except ShackdooError as error:
        print(f"error: {error} {WAY_OUT}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
