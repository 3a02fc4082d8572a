"""``--same-as RUN`` on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from shackdoo.errors import RequestError

OPTION = "--same-as"
CONFIG = "config.yaml"


def split_same_as(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the arguments without ``--same-as RUN``, and RUN; None if it is not there."""
    rest, wanted = [], None
    words = iter(argv)
    for word in words:
        if word == OPTION:
            wanted = next(words, "")
        elif word.startswith(f"{OPTION}="):
            wanted = word.removeprefix(f"{OPTION}=")
        else:
            rest.append(word)
    if wanted == "":
        raise RequestError(
            f"{OPTION} names no run. Give a run's id, its beginning, latest, or the path of a "
            f"recorded {CONFIG}: {OPTION} latest."
        )
    return rest, wanted


def refuse_for_hydra(same_as: str | None) -> None:
    """Raise a RequestError if a run's configuration is asked for together with Hydra's flags."""
    if same_as is not None:
        raise RequestError(
            f"{OPTION} goes with one run at a time: Hydra composes the jobs of --multirun, and "
            f"what --info and --cfg hydra show, from the files under conf/. Call `shackdoo train "
            f"{OPTION} {same_as} …` once for each, or leave {OPTION} away."
        )
