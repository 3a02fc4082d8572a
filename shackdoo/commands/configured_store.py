"""Which tracking store a command means that composes no task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shackdoo.config.project import Project
from shackdoo.errors import ConfigError

# The later one wins, as in a run's configuration.
SETTINGS = ("conf/tracking/mlflow.yaml", "conf/local/default.yaml")


def configured_uri(project: Project, way_out: str) -> str | None:
    """Return ``tracking.uri`` of the settings that hold for every task, None if they name none.

    Args:
        project: whose settings.
        way_out: what to do if only a run can look the address up.

    Raises:
        ConfigError: if a file can't be read, or only a run can look the address up.
    """
    group, local = (_settings(project.find(file)) for file in SETTINGS)
    tracking = local.get("tracking")
    found = {**group, **(tracking if isinstance(tracking, dict) else {})}.get("uri")
    if "${" in str(found):
        raise ConfigError(f"tracking.uri is '{found}', which only a run can look up. {way_out}")
    return None if found is None else str(found)


def _settings(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} can't be read: {' '.join(str(error).split())}.") from None
    return values if isinstance(values, dict) else {}
