"""A run that ``mlflow run`` has opened already: its record has to be true, and it gets an end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from shackdoo.config.project import Project
from shackdoo.errors import RequestError, StoreError
from shackdoo.provenance.environment import IMAGE
from shackdoo.provenance.image import code_state, holds, is_stale
from shackdoo.tracking.run_tags import run_tags
from shackdoo.tracking.store import resolve_uri

JOINED = "MLFLOW_RUN_ID"  # set by `mlflow run` to the run that it has opened
RECORDED = "mlflow.source.git.commit"  # its tag for the commit of the tree it was started from
IMAGE_ID = "mlflow.docker.image.id"  # and for the image
SHOWN = 12  # digits of a commit, for people


@contextlib.contextmanager
def joined_run(project: Project) -> Iterator[None]:
    """Let the block have the joined run, if there is one, for a request.

    The code that would run is compared with the one on record first. Whatever is wrong with the
    request, a joined run is closed as failed.

    Raises:
        RequestError: that of the block, or if the code is another one than the run's tags say, or
            the image was not made for this tree.
    """
    try:
        check_code(project)
        yield
    except RequestError as error:
        from shackdoo.commands.record_place import close_joined_as_failed

        if JOINED in os.environ:
            with contextlib.suppress(StoreError):  # it may be the store that is misnamed
                close_joined_as_failed(project, str(error))
        raise


def check_code(project: Project) -> None:
    """Compare what would run with what the image was made for and the run's tags say.

    Raises:
        RequestError: if they differ.
    """
    if is_stale(project.root):
        raise RequestError(
            "The image was made from another Dockerfile, lock file or docker/entrypoint.sh than "
            "this tree has, so its packages are not the ones on record. Build it anew: "
            "make docker-build."
        )
    if JOINED not in os.environ:
        return
    try:
        tags = run_tags(resolve_uri(None, project.root), os.environ[JOINED])
    except StoreError as error:
        _say(f"warning: {error} So nobody compares the code with the one on record.")
        return
    if image := tags.get(IMAGE_ID):
        os.environ.setdefault(IMAGE, image)  # nothing inside a container tells its image
    if recorded := tags.get(RECORDED):
        _compare(recorded, project.root)


def _compare(recorded: str, root: Path) -> None:
    """Compare the commit on record with that of the code that would run."""
    here = code_state(root)
    if here["commit"] == recorded:
        if here["dirty"]:
            _say(f"the tree differs from its commit {recorded[:SHOWN]}; the record says so")
        return
    mine = here["commit"]
    commit = f"commit {mine[:SHOWN]}" if mine else "that of no commit that can be read here"
    if holds(root):
        where, way_out = "the image's", "Build the image anew: make docker-build."
    else:
        where, way_out = "the tree's", "Start it again with the tree as it is now."
    raise RequestError(
        f"This run is on record with commit {recorded[:SHOWN]}, but {where} code, which would run, "
        f"is {commit}. {way_out}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
