"""``--same-as RUN``: the whole configuration of a recorded run, as the base of another."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from shackdoo.commands.same_as_option import CONFIG, OPTION
from shackdoo.commands.stopped import MANIFEST, REQUEST
from shackdoo.config.nested import Key, holds, leaves, put, value_at
from shackdoo.config.project import Project
from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance.secrets import HIDDEN

if TYPE_CHECKING:
    from shackdoo.config.compose.base import Base

SAME_AS = "shackdoo.same_as"  # tag
YAML = (".yaml", ".yml")
NOTEBOOK = "__main__."


def importable_base(wanted: str, project: Project) -> Base:
    """Return the same as :func:`base_of`, if a command can import its classes.

    Raises:
        RequestError: if there is no such run, or a class of it was written in a notebook.
        IngredientError: if its configuration can't be had.
    """
    base = base_of(wanted, project)
    for key, value in leaves(base.values):
        if key[-1] == "_target_" and str(value).startswith(NOTEBOOK):
            name = str(value).removeprefix(NOTEBOOK)
            raise RequestError(
                f"{base.name}: {'.'.join(key)} is '{name}', a class that was written in a "
                f"notebook or in a script, where no command can import it. Train there: "
                f"shackdoo.train(same_as='{wanted}'), or put the class into a module."
            )
    return base


def base_of(wanted: str, project: Project) -> Base:
    """Return the configuration of a run.

    Args:
        wanted: an id or its beginning, ``latest``, or the path of a recorded ``config.yaml``.
        project: whose runs.

    Raises:
        RequestError: if there is no such run.
        IngredientError: if its configuration can't be had.
    """
    path = Path(wanted).expanduser()
    if path.suffix in YAML and path.is_file():
        beside = (path.with_name(name) for name in (MANIFEST, REQUEST))
        return _from_files(f"the configuration in {wanted}", None, path, *beside)
    with tempfile.TemporaryDirectory() as scratch:
        return _of_run(wanted, project, Path(scratch))


def _of_run(wanted: str, project: Project, scratch: Path) -> Base:
    from shackdoo.commands.recorded_run import recorded_run
    from shackdoo.tracking.listing import KIND

    found = recorded_run(wanted, project, scratch)
    if kind := found.run.tags.get(KIND):
        raise RequestError(
            f"The run {found.name} is no training but of the kind '{kind}': {OPTION} takes the "
            f"configuration of a training."
        )
    config = found.file(CONFIG)
    if config is None:
        raise IngredientError(
            f"The run {found.name} has no {CONFIG}: it is no run of shackdoo's, or it was stopped "
            f"before it had recorded what it is."
        )
    name = f"the configuration of the run {found.run.uid[:8]}"
    asked = None if found.is_foreign else found.file(REQUEST)  # never shipped
    return _from_files(name, found.run.uid, config, found.file(MANIFEST), asked)


def recorded_base(
    name: str,
    uid: str | None,
    config: Mapping[str, Any],
    redacted: Container[str] | None,
    request: Mapping[str, Any],
) -> Base:
    """Return a recorded configuration as a base, with the secrets that are still to be had.

    Args:
        name: what it is called in messages.
        uid: of its run, if that is known.
        config: as recorded.
        redacted: keys whose values were changed for the record; None if nobody knows.
        request: how the run was asked for, secrets and all; empty if that isn't kept here.
    """
    from shackdoo.config.compose import ENVIRONMENT
    from shackdoo.config.compose.base import Base

    texts = {
        key: value
        for key, value in leaves(config)
        if isinstance(value, str) and (redacted is None or ".".join(key) in redacted)
    }
    raw = {key for key, value in texts.items() if ENVIRONMENT in value}
    hidden = {key for key, value in texts.items() if HIDDEN in value} - raw
    typed = _typed(hidden, request)
    values = copy.deepcopy(dict(config))
    for key, value in typed.items():
        put(values, key, value)
    return Base(name, uid, values, frozenset(raw | typed.keys()), frozenset(hidden - typed.keys()))


def _typed(hidden: set[Key], request: Mapping[str, Any]) -> dict[Key, Any]:
    """Return the values that a request gave to hidden keys, as typed."""
    from shackdoo.config.compose import override_values
    from shackdoo.config.compose.base import Base

    entry, found = request.get("same_as"), {}
    if entry is not None:
        base = Base.from_json(entry)
        values = base.written()
        found = {k: value_at(values, k) for k in hidden - base.hidden if holds(values, k)}
    for at, value in override_values(request.get("overrides", ())):
        for key in hidden:
            if key[: len(at)] == at and (key == at or holds(value, key[len(at) :])):
                found[key] = value_at(value, key[len(at) :])
    return found


def _from_files(
    name: str, uid: str | None, config: Path, manifest: Path | None, request: Path | None
) -> Base:
    values = _read(config)
    task = values.get("task")
    if not isinstance(task, dict) or not {"name", "parameters"} <= task.keys():
        raise IngredientError(
            f"{name} can't be used: {config} is no whole configuration of a training. Give the "
            f"{CONFIG} that a run has recorded."
        )
    told = _read(manifest)
    return recorded_base(name, uid, values, told.get("redacted"), _read(request))


def _read(path: Path | None) -> dict[str, Any]:
    """Return the mapping in a file of a record, JSON or YAML; an empty one if there is none."""
    try:
        found = {} if path is None else yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
