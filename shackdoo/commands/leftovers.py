"""What an ended ``mlflow run`` has left behind is cleared away.

``python -m shackdoo.commands.leftovers`` does it, for who has just seen one fail.
"""

from __future__ import annotations

import sys

from shackdoo.commands.left_reproductions import clear_left
from shackdoo.commands.unstarted import close_unstarted
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import ShackdooError, StoreError
from shackdoo.tracking.store import resolve_uri


def close_left_runs(project: Project) -> None:
    """Close the runs that ``mlflow run`` opened and never started, and say so.

    A store that does not answer is left for another time: whoever needs it says so.
    """
    try:
        # `mlflow run` knows no setting of the project: the environment, or its own SQLite file.
        uri = resolve_uri(None, project.root)
        closed = close_unstarted(uri, project.root, project.state_dir())
    except StoreError:
        return
    for run in closed:
        print(
            f"closed    {run.run_name}  MLflow run {run.mlflow_run_id}: `mlflow run` ended before "
            f"the program started; it is FAILED now",
            file=sys.stderr,
            flush=True,
        )


def main() -> int:
    """Clear away what is left; return the exit code."""
    try:
        project = find_project()
        load_dotenv(project)
        clear_left(project.state_dir())
        close_left_runs(project)
    except ShackdooError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
