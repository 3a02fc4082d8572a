"""YAML and overrides to one typed configuration. Nothing else in shackdoo knows Hydra."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from shackdoo.config.compose.base import Base
from shackdoo.config.compose.composer import (
    REFUSED,
    VERSION_BASE,
    Composer,
    plain_values,
    readable,
    search_path,
)
from shackdoo.config.compose.refusals import Request, refusal
from shackdoo.config.compose.same_as import SameAs
from shackdoo.config.explain import explain_validation
from shackdoo.config.places import Loc, Origin
from shackdoo.config.project import Project
from shackdoo.config.quoting import quoted
from shackdoo.config.schema import Config
from shackdoo.errors import ConfigError, ShackdooError

ENVIRONMENT = "oc.env:"  # in an interpolation: ${oc.env:NAME}
FULL_ERROR = "HYDRA_FULL_ERROR"
MULTIRUN = {"-m", "--multirun"}


@dataclass(frozen=True)
class Composed:
    """A configuration that has passed its schema.

    Attributes:
        config: typed and frozen.
        values: the same as plain mappings, lists and scalars, interpolations resolved: what is
            recorded.
        overrides: as typed on the command line.
        interpolated: key of each value that came from the environment, to the text that says so:
            ``${oc.env:NAME}``.
    """

    config: Config
    values: dict[str, Any]
    overrides: tuple[str, ...]
    interpolated: Mapping[tuple[str, ...], str] = field(repr=False)
    composer: Composer = field(repr=False)

    @property
    def project(self) -> Project:
        """Whose ``conf`` folders were seen."""
        return self.composer.project

    @property
    def base(self) -> Base | None:
        """The recorded configuration that the overrides have changed, if it is no file's."""
        return self.composer.base if isinstance(self.composer, SameAs) else None

    def to_yaml(self) -> str:
        """Return ``values`` as YAML text."""
        return as_yaml(self.values)

    def with_parameters(self, parameters: Mapping[str, Any]) -> Composed:
        """Return the same with other values for some of ``task.parameters``.

        Values that the command line sets stay.
        """
        typed = {override.key for override in readable(self.overrides)}
        changed = {
            name: value
            for name, value in parameters.items()
            if ("task", "parameters", name) not in typed
        }
        task = self.values["task"]
        values = {
            **self.values,
            "task": {**task, "parameters": {**task["parameters"], **changed}},
        }
        return replace(self, values=values, config=type(self.config).model_validate(values))

    def started_from(self, uid: str) -> Composed:
        """Return the same with ``init_from`` naming a run by its uid, whatever it was called."""
        values = {**self.values, "init_from": uid}
        kept = (each for each in self.overrides if each.lstrip("+").split("=")[0] != "init_from")
        return replace(
            self,
            values=values,
            overrides=(*kept, f"init_from={quoted(uid)}"),
            config=type(self.config).model_validate(values),
        )

    def place(self, loc: Loc) -> str:
        """Return the override, or the file and line, that sets a key; looked up when asked."""
        return self.composer.origin(self.overrides).place(loc)

    def explain(
        self, error: ValidationError, prefix: tuple[str, ...], known: Iterable[str] = ()
    ) -> ConfigError:
        """Return the error to raise for what a model of the part ``prefix`` refuses.

        Args:
            error: what pydantic raised for the values at ``prefix``.
            prefix: the part's key, as ``("task", "parameters")``.
            known: names that the model has.
        """
        origin = self.composer.origin(self.overrides)
        return explain_validation(error, origin, self.values, prefix, known)


def override_values(overrides: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield key and value of each override that can be read, its interpolations as typed."""
    for override in readable(overrides):
        yield (*(part.lstrip("+") for part in override.key),), override.value


def as_yaml(values: Mapping[str, Any]) -> str:
    """Return plain values as YAML text."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def as_override(key: str, value: Any) -> str:
    """Return the override that sets a key, new or not, to a value of Python.

    Raises:
        ConfigError: if the value is none that YAML has.
    """
    try:
        return f"++{key}={_in_grammar(value)}"
    except TypeError:
        raise ConfigError(
            f"{key} is {value!r}, which a configuration can't hold: give text, numbers, true or "
            f"false, None, lists and mappings of these."
        ) from None


def _in_grammar(value: Any) -> str:
    """Return a value as Hydra's grammar of overrides has it."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_in_grammar(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_in_grammar, value)) + "]"
    raise TypeError(type(value))


def compose(
    name: str,
    overrides: Sequence[str],
    project: Project,
    schema: type[Config] = Config,
    base: Base | None = None,
) -> Composed:
    """Return the configuration of one run, checked against its schema.

    Args:
        name: the root file under ``conf``, without its ending.
        overrides: ``key=value`` each, in Hydra's grammar.
        project: whose ``conf`` folders are seen.
        schema: of that root file.
        base: the configuration of a run, which the overrides change; None to compose the files.

    Raises:
        ConfigError: with the place of the mistake and the way out.
    """
    composer = Composer(name, project) if base is None else SameAs(name, project, base)
    try:
        composed = composer.compose(overrides)
        values = plain_values(composed, resolve=True)
    except REFUSED as error:
        raise _refused(error, composer, overrides, schema) from error
    try:
        config = schema.model_validate(values)
    except ValidationError as error:
        raise explain_validation(error, composer.origin(overrides), values) from None
    fields = schema.model_fields.items()
    ordered = {field.alias or key: values[field.alias or key] for key, field in fields}
    interpolated = dict(_from_environment(plain_values(composed, resolve=False), ()))
    return Composed(config, ordered, tuple(overrides), interpolated, composer)


def _from_environment(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys whose value is looked up in the environment, with the text that says so."""
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _from_environment(part, (*path, str(key)))
    elif isinstance(value, str) and ENVIRONMENT in value:
        yield path, value


def _refused(
    error: Exception,
    composer: Composer,
    overrides: Sequence[str],
    schema: type[Config] = Config,
) -> ConfigError:
    def known(chosen: Sequence[str]) -> dict[str, Any]:
        return plain_values(composer.compose(chosen), resolve=False)

    origin = composer.origin(overrides)
    if isinstance(error, OmegaConfBaseException) and (
        deeper := _deeper(origin, overrides, known, schema)
    ):
        return deeper
    parsed = readable(overrides)
    request = Request(composer.name, tuple(overrides), parsed, origin, known)
    return ConfigError(refusal(error, request))


def _deeper(
    origin: Origin,
    overrides: Sequence[str],
    known: Callable[[Sequence[str]], dict[str, Any]],
    schema: type[Config],
) -> ConfigError | None:
    """Return what is wrong with the values that an interpolation refers to, if anything is."""
    try:
        values = known(overrides)
        schema.model_validate(values)
    except REFUSED as error:
        if isinstance(error, ValidationError):
            faults = [f["input"] for f in error.errors() if "${" not in str(f["input"])]
            return explain_validation(error, origin, values) if faults else None
    return None


def run_hydra(
    name: str, arguments: Sequence[str], job: Callable[[Composed], object], project: Project
) -> None:
    """Let Hydra serve a command line with flags of its own, ``--multirun`` above all.

    Hydra writes no file and no folder. With ``--multirun`` every job runs, also after one that
    failed.

    Args:
        name: the root file under ``conf``, without its ending.
        arguments: the command line.
        job: called for each configuration that Hydra makes of it.
        project: whose ``conf`` folders are seen.

    Raises:
        ConfigError: with the place of the mistake and the way out.
        ShackdooError: what a job raised; of several, one that names them all.
    """
    failed: list[tuple[str, ShackdooError]] = []

    def run(_: DictConfig) -> None:
        overrides = list(HydraConfig.get().overrides.task)
        try:
            job(compose(name, overrides, project))
        except ShackdooError as error:
            failed.append((" ".join(overrides), error))

    main = search_path(project)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with _command_line([*_flags_first(arguments), *_sweep_dir(arguments, scratch)]):
                hydra.main(version_base=VERSION_BASE, config_path=str(main), config_name=name)(
                    run
                )()
        except REFUSED as error:
            raise _refused(error, Composer(name, project), _plain(arguments)) from error
    if failed:
        raise _all(failed)


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Return the flags with their values, then the overrides: Hydra takes these in one go only."""
    return sorted(arguments, key=lambda text: "=" in text and not text.startswith("-"))


def _sweep_dir(arguments: Sequence[str], folder: str) -> list[str]:
    """Keep the record that Hydra makes of a sweep out of the working directory."""
    return [f"hydra.sweep.dir='{folder}'"] if MULTIRUN & set(arguments) else []


@contextlib.contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    """Hand Hydra its arguments, and let it raise what it would print itself."""
    argv, full_error = sys.argv, os.environ.get(FULL_ERROR)
    sys.argv = [argv[0], *arguments]
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop(FULL_ERROR)
        if full_error is not None:
            os.environ[FULL_ERROR] = full_error


def _plain(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("-")]


def _all(failed: Sequence[tuple[str, ShackdooError]]) -> ShackdooError:
    (_, first), *more = failed
    if not more:
        return first
    lines = (f"{overrides}: {error}" for overrides, error in failed)
    return type(first)(f"{len(failed)} jobs failed.\n" + "\n".join(lines))
