"""The Docker engine of this machine, asked through Docker's SDK."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

ANSWER_SECONDS = 5.0


class NoEngineError(Exception):
    """There is no engine that answers.

    Attributes:
        reason: why, in a few words.
        way_out: what to do.
    """

    def __init__(self, reason: str, way_out: str) -> None:
        super().__init__(f"{reason}. {way_out}")
        self.reason = reason
        self.way_out = way_out


@contextlib.contextmanager
def engine() -> Iterator[Any]:
    """Give a client of Docker's SDK, which has had an answer from the engine.

    Raises:
        NoEngineError: if the SDK is missing, or the engine does not answer within 5 s.
    """
    try:
        import docker
    except ImportError:
        raise NoEngineError("the package docker is not installed", "pip install docker.") from None
    try:
        client = docker.from_env(timeout=int(ANSWER_SECONDS))
        client.ping()
    except Exception as error:  # the SDK, requests and the system each raise their own
        raise NoEngineError(*_diagnosis(error)) from None
    try:
        yield client
    finally:
        client.close()


def image_id(client: Any, name: str) -> str | None:
    """Return the id of an image that the engine has under a name or an id; None if it has none."""
    from docker.errors import ImageNotFound

    try:
        return str(client.images.get(name).id)
    except ImageNotFound:
        return None


def _diagnosis(error: BaseException) -> tuple[str, str]:
    """Return why the engine does not answer, and the way out."""
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return (
            "this user may not use the engine's socket",
            "Join its group and log in again: sudo usermod -aG docker $USER.",
        )
    if any(isinstance(cause, FileNotFoundError) for cause in causes):
        return (
            "no engine is running here: its socket is not there",
            "Start Docker, or install it: https://docs.docker.com/engine/install/.",
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "nobody answers at the engine's socket", "Start Docker: sudo systemctl start docker."
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return f"the engine does not answer: {why}", "DOCKER_HOST names the engine that is asked."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that is wrapped in it; requests puts causes into arguments."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [each for each in inner if isinstance(each, BaseException)]
