"""Overrides on top of a recorded configuration; the files give what it lacks, or what is chosen."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

import hydra
import yaml
from omegaconf import DictConfig
from pydantic import BaseModel

from shackdoo.config.compose.base import Base
from shackdoo.config.compose.composer import (
    Composer,
    group_of,
    hydra_in,
    picks_file,
    plain_values,
    readable,
)
from shackdoo.config.nested import Key, drop, holds, put, value_at
from shackdoo.config.places import Kept, Origin, Override, Source
from shackdoo.config.quoting import quoted
from shackdoo.config.schema import Config
from shackdoo.errors import ConfigError

NOT_TAKEN = ("tracking", "hydra")  # where a run was recorded, and Hydra's own
NOT_AGAIN = ("resume", "register")  # what was asked of that run only
WITHOUT_TASK = "~task"


@dataclass(frozen=True)
class SameAs(Composer):
    """Composes overrides with a recorded configuration instead of the project's files.

    The files give what the record lacks, where to record, and the groups that overrides choose.
    """

    base: Base

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return what the overrides make of the base; what is wrong is raised as Hydra does.

        Raises:
            ConfigError: if a value is hidden and no override gives it, or another task is asked
                for.
        """
        request = _Request(self.base, Composer(self.name, self.project), overrides)
        # Quoted: what is text stays text, whatever Hydra's own YAML takes for a number.
        text = yaml.safe_dump(request.values(), sort_keys=False, default_style='"')
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch, f"{self.name}.yaml").write_text(text, encoding="utf-8")
            with hydra_in(Path(scratch)):
                composed = hydra.compose(self.name, request.changes)
        self._refuse_hidden(plain_values(composed, resolve=False))
        return composed

    def origin(self, overrides: Sequence[str]) -> Origin:
        """Return who sets which key."""
        request = _Request(self.base, Composer(self.name, self.project), overrides)
        kept, sources = Kept(self.base.name, request.kept), self.sources(request.chosen)
        return Origin(self.project, sources, readable(request.changes), kept)

    def _refuse_hidden(self, values: Mapping[str, Any]) -> None:
        recorded = self.base.written()
        unchanged = [k for k in self.base.hidden if value_at(values, k) == value_at(recorded, k)]
        if names := sorted(".".join(key) for key in unchanged):
            raise ConfigError(
                f"{self.base.name}: the record does not have the value of {', '.join(names)}, "
                f"since it is a secret. Give it: {' '.join(f'{name}=…' for name in names)}"
            )


class _Request:
    """Overrides of a base, sorted into those that choose files and those that change values.

    Attributes:
        chosen: what the project's files are composed with.
        changes: what is applied to the base then.
    """

    def __init__(self, base: Base, files: Composer, overrides: Sequence[str]) -> None:
        self._base, self._files, self._conf = base, files, files.project.conf_dirs
        read = readable(overrides)
        task = {each.text for each in read if _names_task(each, base)}
        picks = [each for each in read if picks_file(each, files.project)]
        self._groups = {group_of(each) for each in picks if each.text not in task}
        texts = {each.text for each in picks} - task
        self.changes = [text for text in overrides if text not in texts | task]
        self.chosen = [self._task(), *(text for text in overrides if text in texts)]

    def _task(self) -> str:
        """Return the override by which the files of the task are seen, if it still has some."""
        there = any((conf / "task" / f"{self._base.task}.yaml").is_file() for conf in self._conf)
        return f"task={quoted(self._base.task)}" if there else WITHOUT_TASK

    def values(self) -> dict[str, Any]:
        """Return the base with what the files give it, as OmegaConf reads it."""
        today = plain_values(self._files.compose(self.chosen), resolve=False)
        rest = plain_values(self._files.compose([WITHOUT_TASK]), resolve=False)
        values = copy.deepcopy(self.kept)
        for key in self._replaced:
            if holds(today, key):
                new, inner = value_at(today, key), value_at(values, key)
                put(values, key, {**new, **inner} if isinstance(inner, dict) else new)
        values = _filled(Config, values, {**rest, "tracking": today["tracking"]})
        shared, own = rest["task"]["parameters"], values["task"]["parameters"]
        values["task"] |= {"parameters": {**shared, **own}}
        return values

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What is taken from the base, as OmegaConf reads it."""
        values = {k: value for k, value in self._base.written().items() if k not in NOT_TAKEN}
        values.update(dict.fromkeys(NOT_AGAIN))
        for key in self._replaced:
            drop(values, key, self._inner(key))
        return values

    @cached_property
    def _replaced(self) -> list[Key]:
        """The keys of the base that the chosen files set instead."""
        if not self._groups:
            return []
        before, after = (self._files.sources(each) for each in (self.chosen[:1], self.chosen))
        brought = [s for s in after if s not in before or self._group(s) in self._groups]
        emptied = self._groups - {self._group(source) for source in brought}  # by ~group
        keys = [tuple(group.split("/")) for group in sorted(emptied)]
        return [*keys, *(key for s in brought for key in _set_by(s, self._group(s)))]

    def _group(self, source: Source) -> str:
        folder = next(conf for conf in self._conf if source.path.is_relative_to(conf))
        return source.path.parent.relative_to(folder).as_posix()

    def _inner(self, key: Key) -> set[str]:
        """Return the names of the groups inside a group that no override chooses."""
        folders = (path for conf in self._conf for path in conf.joinpath(*key).glob("*/"))
        return {each.name for each in folders if "/".join((*key, each.name)) not in self._groups}


def _names_task(override: Override, base: Base) -> bool:
    """Return whether an override names the task of the base; naming another is an error."""
    if group_of(override) != "task":
        return False
    if override.text.startswith(("+", "~")) or override.value != base.task:
        raise ConfigError(
            f"the override '{override.text}': a run that is to be the same as another has its "
            f"task, {base.task}. Leave '{override.text}' away, or train without --same-as."
        )
    return True


def _set_by(source: Source, group: str) -> Iterator[Key]:
    """Yield what a file sets: all of its group, or what it names if it is merged elsewhere."""
    if source.package == tuple(group.split("/")):
        yield source.package
        return
    content = yaml.safe_load(source.path.read_text(encoding="utf-8")) or {}
    for key in _settings({name: part for name, part in content.items() if name != "defaults"}):
        yield (*source.package, *key)


def _settings(value: Any) -> Iterator[Key]:
    """Yield the keys of all that is no mapping."""
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from ((str(name), *key) for key in _settings(part))
        else:
            yield (str(name),)


def _filled(
    model: type[BaseModel], recorded: Mapping[str, Any], today: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what was recorded, with today's value of each key of the model that it lacks."""
    filled = dict(recorded)
    for name, field in model.model_fields.items():
        key, kind = field.alias or name, field.annotation
        if key not in filled and key in today:
            filled[key] = today[key]
        elif _is_model(kind) and all(
            isinstance(each.get(key), Mapping) for each in (filled, today)
        ):
            filled[key] = _filled(kind, filled[key], today[key])
    return filled


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
