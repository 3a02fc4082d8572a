"""Where things are: the user's project, what shackdoo brings along, and this machine's state."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from shackdoo.errors import ConfigError

ROOT_VARIABLE = "SHACKDOO_ROOT"
STATE_VARIABLE = "SHACKDOO_STATE"
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Project:
    """A project of the user's own, or shackdoo's checkout itself.

    Attributes:
        root: the folder whose ``conf/`` and ``data/`` are seen first; outputs go there.
        bundle: the folder with the ``conf/`` and ``data/`` that shackdoo ships, seen behind it.
    """

    root: Path
    bundle: Path

    @property
    def conf_dirs(self) -> tuple[Path, ...]:
        """Return the existing ``conf`` folders, the project's first, none twice."""
        folders = dict.fromkeys((self.root / "conf", self.bundle / "conf"))
        return tuple(folder for folder in folders if folder.is_dir())

    def find(self, relative: str) -> Path:
        """Return the absolute path of a file named relative to the project.

        The project's own file comes first, then the shipped one if it exists; if neither does,
        the place where the project's own would be. An absolute path stays what it is.
        """
        own, shipped = self.root / relative, self.bundle / relative
        return shipped if shipped.exists() and not own.exists() else own

    def state_dir(self) -> Path:
        """Return the folder for what outlives a clone (``SHACKDOO_STATE``); it isn't created."""
        if named := os.environ.get(STATE_VARIABLE):
            return Path(named).expanduser().absolute()
        from platformdirs import user_state_path

        return user_state_path("shackdoo")


def find_project(start: Path | None = None) -> Project:
    """Return the project of the working directory.

    Its root is ``SHACKDOO_ROOT``; else the nearest folder from ``start`` upwards with both
    ``MLproject`` and ``conf/``; else shackdoo's own checkout; else ``start``.

    Args:
        start: the folder to look from; the working directory if None.

    Raises:
        ConfigError: if ``SHACKDOO_ROOT`` names no folder with a ``conf/``.
    """
    here = (start or Path.cwd()).resolve()
    packed, checkout = PACKAGE / "_bundle", PACKAGE.parent
    bundle = packed if packed.is_dir() else checkout
    if named := os.environ.get(ROOT_VARIABLE):
        return Project(_named_root(named), bundle)
    root = next((folder for folder in (here, *here.parents) if _is_project(folder)), None)
    return Project(root or (checkout if _is_project(checkout) else here), bundle)


def _is_project(folder: Path) -> bool:
    return (folder / "MLproject").is_file() and (folder / "conf").is_dir()


def _named_root(named: str) -> Path:
    root = Path(named).expanduser().resolve()
    if not (root / "conf").is_dir():
        what = "has no conf/ in it" if root.is_dir() else "is no folder"
        raise ConfigError(
            f"{ROOT_VARIABLE} is '{named}', which {what}. Set it to a project's root, or unset "
            f"it: then the nearest parent of the working directory with MLproject and conf/ is "
            f"taken."
        )
    return root


def load_dotenv(project: Project, prefix: str = "") -> None:
    """Set the environment variables of the project's ``.env`` that aren't set already.

    Args:
        project: whose file.
        prefix: what the names begin with that are set.

    Raises:
        ConfigError: if the file can't be read or has a line that is no ``NAME=value``.
    """
    path = project.root / ".env"
    if not path.exists():
        return
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}. Write it as UTF-8 text.") from None
    for binding in bindings:
        if binding.error:
            raise ConfigError(
                f"{path}:{binding.original.line}: '{binding.original.string.strip()}' is no "
                f"NAME=value."
            )
        if binding.key and binding.key.startswith(prefix) and binding.value is not None:
            os.environ.setdefault(binding.key, binding.value)
