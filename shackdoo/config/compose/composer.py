"""Hydra over the ``conf`` folders of a project, and where each key of what it composes was set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import hydra
import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from shackdoo.config.places import Origin, Override, Source
from shackdoo.config.project import Project
from shackdoo.errors import ConfigError

VERSION_BASE = "1.3"
# What reading and merging files raises: Hydra lets much of it through as it is.
REFUSED = (
    HydraException,
    OmegaConfBaseException,
    yaml.YAMLError,
    OSError,
    ValueError,
    RecursionError,
)


@dataclass(frozen=True)
class Composer:
    """Composes the files of a project.

    Attributes:
        name: the root file under ``conf``, without its ending.
        project: whose ``conf`` folders are seen.
    """

    name: str
    project: Project

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return what the overrides make of the files; what is wrong is raised as Hydra does."""
        with hydra_over(self.project):
            return hydra.compose(self.name, list(overrides))

    def origin(self, overrides: Sequence[str]) -> Origin:
        """Return who sets which key."""
        values = tuple(o for o in readable(overrides) if not picks_file(o, self.project))
        return Origin(self.project, self.sources(overrides), values)

    def sources(self, overrides: Sequence[str]) -> tuple[Source, ...]:
        """Return the files in the order of merging, as far as they can be told."""
        try:
            with hydra_over(self.project) as loader:
                found = loader.compute_defaults_list(self.name, list(overrides), RunMode.RUN)
        except REFUSED:
            return self._chosen(overrides)
        return tuple(
            Source(path, tuple(default.package.split(".")) if default.package else ())
            for default in found.defaults
            for path in _files(self.project, default.config_path)
        )

    def _chosen(self, overrides: Sequence[str]) -> tuple[Source, ...]:
        """Return the root file and those that overrides name, as if all were at the top level."""
        named = (f"{override.key[0]}/{override.value}" for override in readable(overrides))
        return tuple(
            Source(path, ()) for each in (self.name, *named) for path in _files(self.project, each)
        )


class _Behind(SearchPathPlugin):
    """Lets Hydra look into the ``conf`` folders behind the first."""

    folders: ClassVar[tuple[Path, ...]] = ()

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders; Hydra calls it."""
        for folder in self.folders:
            search_path.append("shackdoo", f"file://{folder}")


def hydra_over(project: Project) -> contextlib.AbstractContextManager[ConfigLoader]:
    """Let Hydra see the project's folders for a while, also inside a job that Hydra runs."""
    return hydra_in(search_path(project))


@contextlib.contextmanager
def hydra_in(folder: Path) -> Iterator[ConfigLoader]:
    """Let Hydra see a folder, and those behind it, for a while."""
    outer = get_gh_backup()
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(
            str(folder), version_base=VERSION_BASE, job_name="shackdoo"
        ):
            yield GlobalHydra.instance().config_loader()
    finally:
        restore_gh_from_backup(outer)


def search_path(project: Project) -> Path:
    """Set the search path; return its first folder, the one Hydra has to be told."""
    if not project.conf_dirs:
        raise ConfigError(
            f"No conf/ in {project.root}. Run shackdoo in a project (a folder with MLproject and "
            f"conf/), or set SHACKDOO_ROOT to one."
        )
    main, *behind = project.conf_dirs
    _Behind.folders = tuple(behind)
    plugins = Plugins.instance()
    if _Behind not in plugins.discover(SearchPathPlugin):
        plugins.register(_Behind)
    return main


def plain_values(composed: DictConfig, resolve: bool) -> dict[str, Any]:
    """Return it as plain mappings, lists and scalars; its interpolations resolved, or as text."""
    values = OmegaConf.to_container(composed, resolve=resolve, throw_on_missing=resolve)
    return cast("dict[str, Any]", values)


def picks_file(override: Override, project: Project) -> bool:
    """Return whether it is a choice, as ``task=Mnist_B``: the files then tell who set a key."""
    group = group_of(override)
    return any((folder / group).is_dir() for folder in project.conf_dirs)


def group_of(override: Override) -> str:
    """Return the group that an override names if it names one: ``optimizer/schedule``."""
    return ".".join(override.key).lstrip("+~")


def readable(overrides: Sequence[str]) -> tuple[Override, ...]:
    """Return the overrides that can be read."""
    parsed = []
    for text in overrides:
        with contextlib.suppress(HydraException, ValueError):
            (one,) = OverridesParser.create().parse_overrides([text])
            value = None if one.is_sweep_override() else one.value()
            parsed.append(Override(tuple(one.key_or_group.split(".")), value, text))
    return tuple(parsed)


def _files(project: Project, name: str) -> list[Path]:
    """Return the file of a config's name: the first there is, or none if it is Hydra's own."""
    candidates = (folder / f"{name}.yaml" for folder in project.conf_dirs)
    return [path for path in candidates if path.is_file()][:1]
