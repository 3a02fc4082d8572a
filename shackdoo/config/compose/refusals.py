"""What Hydra and OmegaConf refuse, in the user's words: the place, what there is, the way out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import GrammarParseError, KeyValidationError, OmegaConfBaseException

from shackdoo.config.explain import dotted, unknown_key
from shackdoo.config.places import Origin, Override, defaults_items, show
from shackdoo.errors import did_you_mean, listing

MAX_SHOWN = 60  # characters of an override that are repeated in a message


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        name: the root file's name.
        texts: the overrides as typed.
        overrides: those of them that can be read.
        origin: the files, as far as they are known.
        compose: composes the values of other overrides, unresolved.
    """

    name: str
    texts: tuple[str, ...]
    overrides: tuple[Override, ...]
    origin: Origin
    compose: Callable[[Sequence[str]], dict[str, Any]]

    def show(self, path: Path) -> str:
        """Return a file's name as the user knows it."""
        return show(path, self.origin.project)

    def files(self) -> Iterator[Path]:
        """Yield every YAML file under the project's ``conf`` folders."""
        for folder in self.origin.project.conf_dirs:
            yield from sorted(folder.rglob("*.yaml"))

    def groups(self) -> set[str]:
        """Return the names of the groups: folders with YAML files in them."""
        return {
            str(path.parent.relative_to(folder))
            for folder in self.origin.project.conf_dirs
            for path in folder.rglob("*.yaml")
            if path.parent != folder
        }

    def options(self, group: str) -> set[str]:
        """Return the names of a group's files."""
        folders = (folder / group for folder in self.origin.project.conf_dirs)
        return {path.stem for folder in folders for path in folder.glob("*.yaml")}

    def file(self, config: str) -> str:
        """Return how the file of ``task/Mnist_B`` is shown."""
        paths = (folder / f"{config}.yaml" for folder in self.origin.project.conf_dirs)
        return next((self.show(path) for path in paths if path.exists()), f"conf/{config}.yaml")

    def chooses(self) -> list[str]:
        """Return the overrides that pick a file of a group."""
        groups = self.groups()
        return [o.text for o in self.overrides if ".".join(o.key).lstrip("+~") in groups]


def refusal(error: BaseException, request: Request) -> str:
    """Return the message for what composing raised."""
    for kind, tell in BY_TYPE:
        if isinstance(error, kind) and (text := tell(error, request)):
            return text
    for pattern, say in BY_MESSAGE:
        if match := re.search(pattern, str(error)):
            return say(match, request)
    return _whatever(error, request)


# ── the command line ─────────────────────────────────────────────────────────────────────────────


def _unreadable_override(error: OverrideParseException, _: Request) -> str:
    return _cant_read(error.override)


def _cant_read(override: str) -> str:
    return (
        f"The override '{override}' can't be read. Write key=value, as in seed=1 or "
        f"task.parameters.epochs=3; a value with spaces, commas, brackets, quotes or letters "
        f"beyond a to z goes into quotes, and those into the shell's: \"tags.note='a, b'\"."
    )


def _bad_choice(_: re.Match[str], request: Request) -> str:
    """A group was given a number, or a key is empty."""
    for override in request.overrides:
        group = ".".join(override.key)
        if not group:
            return _cant_read(override.text)
        if group in request.groups() and not isinstance(override.value, str | list):
            return _no_option(
                f"the override '{override.text}'", group, str(override.value), request
            )
    return "An override names no file of its group."


def _too_many(match: re.Match[str], request: Request) -> str:
    """Values with commas; a function like ``range(1,3)`` can be meant as a sweep only."""
    override = match["override"]
    key, value = override.split("=", 1)
    text = f"The override '{override}' has several values. Add --multirun for one run each"
    if "(" in value:
        return f"{text}."
    return f"{text}, write {key}=[{value}] if it is a list, or \"{key}='{value}'\" if it is text."


def _no_key(match: re.Match[str], request: Request) -> str:
    """An override of a key that isn't there."""
    key = match["key"]
    text = next((o.text for o in request.overrides if ".".join(o.key) == key), key)
    place = f"the override '{text}'"
    if "/" in key:
        groups = request.groups()
        return f"{place}: no group '{key}'.{did_you_mean(key, groups)} Known: {listing(groups)}."
    loc = tuple(key.split("."))
    if loc[0] == "hydra":
        return f"{place}: Hydra has no setting '{key}'."
    known = _keys(request, loc[:-1])
    if known is None:
        return f"{place}: {dotted(loc[:-1])} has no keys below it."
    if len(loc) == 1:
        known |= {group for group in request.groups() if "/" not in group} - {"local"}
    parameters = _keys(request, ("task", "parameters")) if len(loc) == 1 else None
    if parameters and key in parameters:
        return (
            f"{place}: {key} is a parameter of the task. Write task.parameters.{text.lstrip('+~')}"
        )
    return f"{place}: {unknown_key(loc, known)}{_how_to_add(loc, text)}"


OPEN = ("optimizer", "callbacks", "tags", "catalog")  # mappings that may get further keys


def _how_to_add(loc: tuple[str, ...], text: str) -> str:
    addable = len(loc) > 1 and loc[0] in OPEN and not text.startswith("~")
    return f" To add one that the YAML doesn't have, write +{text}." if addable else ""


def _keys(request: Request, loc: tuple[str, ...]) -> set[str] | None:
    """Return the keys at ``loc`` without the overrides of values, None if it has none."""
    try:
        values: Any = request.compose(request.chooses())
    except Exception:  # another mistake hides what is there; the first is told all the same
        return set()
    for part in loc:
        values = values.get(part) if isinstance(values, dict) else None
    return {str(key) for key in values} if isinstance(values, dict) else None


def _there_already(match: re.Match[str], request: Request) -> str:
    key = match["key"]
    text = next((t for t in request.texts if re.match(rf"\+{re.escape(key)}=", t)), None)
    if text is None:
        return f"{_in_file(match.string, request)}: '{key}' is in the defaults list twice."
    return f"The override '{text}' adds what is there already. Change it without +: {text[1:]}"


# ── groups and defaults lists ────────────────────────────────────────────────────────────────────


def _missing_file(error: MissingConfigException, request: Request) -> str:
    missing = error.missing_cfg_file or ""
    group, _, name = missing.rpartition("/")
    if not group:
        folders = " or ".join(str(folder) for folder in request.origin.project.conf_dirs)
        return f"No {missing}.yaml in {folders}."
    return _no_option(_who_chooses(group, name, request), group, name, request)


def _no_option(place: str, group: str, name: str, request: Request) -> str:
    known = request.options(group)
    for folder in request.origin.project.conf_dirs:
        if (folder / group / f"{name}.yaml").is_dir():
            return f"{request.show(folder / group / name)}.yaml is a folder; it has to be a file."
    what = f"no {group} '{name}'" if name else f"{group} is empty"
    return (
        f"{place}: {what}.{did_you_mean(name, known)} Known: {listing(known)}. "
        f"Each is a file in conf/{group}."
    )


def _who_chooses(group: str, name: str, request: Request) -> str:
    for override in request.overrides:
        chosen = override.value if isinstance(override.value, list) else [override.value]
        if ".".join(override.key).lstrip("+") == group and name in chosen:
            return f"the override '{override.text}'"
    return _default_line(request, lambda item: item.value == name) or f"conf/{group}"


def _default_line(request: Request, fits: Callable[[yaml.ScalarNode], bool]) -> str | None:
    """Return the place of a defaults list's item, those of task files first."""
    for path in sorted(request.files(), key=lambda path: path.parent.name != "task"):
        for item in defaults_items(path):
            if fits(item):
                return f"{request.show(path)}:{item.start_mark.line + 1}"
    return None


def _unnamed_group(match: re.Match[str], request: Request) -> str:
    group = match["group"]
    known = request.options(group)
    example = next(iter(sorted(known)), "NAME")
    return f"No {group} is named. Known: {listing(known)}. Name one: {group}={example}"


def _no_group_to_override(match: re.Match[str], request: Request) -> str:
    group, groups = match["key"], request.groups() - {"local"}
    place = _default_line(request, lambda item: item.value.endswith(f"/{group}"))
    return (
        f"{place or _in_file(match.string, request)}: no group '{group}' to override."
        f"{did_you_mean(group, groups)} Known: {listing(groups)}."
    )


def _bare_boolean(_: re.Match[str], request: Request) -> str:
    place = _default_line(request, lambda item: item.tag.endswith(":bool"))
    return (
        f"{place or 'a defaults list'}: in YAML a bare on, off, yes or no is true or false; put "
        f"the file's name in quotes."
    )


def _no_list(match: re.Match[str], request: Request) -> str:
    return (
        f"{request.file(match['file'])}: defaults must be a list, as in "
        f"defaults: [Mnist_A, _self_]."
    )


def _self_twice(match: re.Match[str], request: Request) -> str:
    return f"{request.file(match['file'])}: _self_ stands twice in the defaults list."


def _override_first(match: re.Match[str], request: Request) -> str:
    return (
        f"{request.file(match['file'])}: in the defaults list, 'override {match['what']}' must "
        f"stand behind the files that are inherited."
    )


def _bad_package(match: re.Match[str], request: Request) -> str:
    header = match["header"]
    places = (path for path in request.files() if header in path.read_text(errors="replace"))
    place = next((f"{request.show(path)}: " for path in places), "")
    return f"{place}the header '# {header}' must name one package, as in '# @package _global_'."


def _circle(_: RecursionError, request: Request) -> str:
    chosen = " ".join(request.chooses())
    return f"The defaults lists of the files chosen by '{chosen}' go in a circle."


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def _bad_yaml(error: yaml.YAMLError, request: Request) -> str | None:
    if isinstance(error, yaml.reader.ReaderError):
        path = Path(str(error.name))
        line = path.read_text(encoding="utf-8")[: error.position].count("\n") + 1
        return f"{request.show(path)}:{line}: the file holds a character that YAML doesn't admit."
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        place = f"{request.show(Path(mark.name))}:{mark.line + 1}"
        return f"{place}: this is no valid YAML: {_problem(error)}."
    return None


def _problem(error: yaml.MarkedYAMLError) -> str:
    context = (
        f"{error.context} from line {error.context_mark.line + 1}, " if error.context_mark else ""
    )
    return f"{context}{error.problem}".replace("<stream end>", "the end of the file")


def _not_utf8(error: UnicodeDecodeError, request: Request) -> str | None:
    for path in request.files():
        content = path.read_bytes()
        start = content.find(error.object)
        if start >= 0:
            line = content[: start + error.start].count(b"\n") + 1
            return f"{request.show(path)}:{line}: the file isn't UTF-8. Save it as UTF-8."
    return None


def _cant_open(error: OSError, request: Request) -> str | None:
    if error.filename is None:
        return None
    return f"{request.show(Path(error.filename))} can't be read: {error.strerror}."


def _clash(match: re.Match[str], request: Request) -> str:
    return (
        f"{request.file(match['file'])}: a list stands where the files before it have a mapping "
        f"of names to values, or the other way round."
    )


# ── interpolations ───────────────────────────────────────────────────────────────────────────────


def _interpolation(error: OmegaConfBaseException, request: Request) -> str | None:
    """A value that refers to another one, or has none yet."""
    if not error.full_key:
        return None
    place = request.origin.place(tuple(error.full_key.split(".")))
    message = str(error).split("\n")[0]
    for pattern, end in INTERPOLATIONS:
        if match := re.search(pattern, message):
            return f"{place}: {error.full_key} {end.format(*match.groups(), key=error.full_key)}"
    return f"{place}: {error.full_key} can't be worked out: {message}."


INTERPOLATIONS = (
    (r"Interpolation key '(.*)' not found", "refers to ${{{0}}}, and there is no such key."),
    (
        r"Environment variable '(.*)' not found",
        "refers to the environment variable {0}, which isn't set. Set it, there or in .env, or "
        "give a value for that case: ${{oc.env:{0},value}}.",
    ),
    (r"Missing mandatory value", "has no value yet (???). Set it: {key}=…"),
    (r"Unsupported interpolation type (\w+)", "uses ${{{0}:…}}, and there is no such resolver."),
    (r"Recursive interpolation", "refers to itself in a circle."),
    (r"not a container", "refers to a key below a value that has none."),
    (
        r"no viable alternative|mismatched|extraneous|token recognition",
        "has a ${{ that can't be read: is a bracket not closed? Write \\${{ for the text itself.",
    ),
)


def _by_cause(error: BaseException, request: Request) -> str | None:
    """Hydra wraps OmegaConf's errors, at times in an empty one."""
    cause = error.__cause__
    if isinstance(cause, GrammarParseError):
        return _interpolation(cause, request)
    if isinstance(cause, KeyValidationError):
        return _null_key(request)
    return None


def _null_key(request: Request) -> str:
    chosen = " ".join(request.chooses())
    return f"In the files chosen by '{chosen}' a key is null, not text. Put it in quotes."


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────


def _in_file(message: str, request: Request) -> str:
    match = re.match(r"In '?(?P<file>[^':]+)'?:", message)
    return request.file(match["file"]) if match else "The configuration"


def _whatever(error: BaseException, request: Request) -> str:
    """Return the gist of a message not foreseen here: its first line that says something."""
    causes = (str(error), str(error.__cause__ or ""), type(error).__name__)
    gist = next(line for text in causes for line in text.split("\n") if line.strip())
    asked = textwrap.shorten(" ".join(text[:MAX_SHOWN] for text in request.texts), 2 * MAX_SHOWN)
    return f"The configuration of '{asked}' can't be composed: {gist.strip().rstrip('.')}."


BY_TYPE: tuple[tuple[type[BaseException], Callable[[Any, Request], str | None]], ...] = (
    (OverrideParseException, _unreadable_override),
    (MissingConfigException, _missing_file),
    (yaml.YAMLError, _bad_yaml),
    (UnicodeDecodeError, _not_utf8),
    (RecursionError, _circle),
    (OSError, _cant_open),
    (OmegaConfBaseException, _interpolation),
    (HydraException, _by_cause),
)
BY_MESSAGE: tuple[tuple[str, Callable[[re.Match[str], Request], str]], ...] = (
    (r"Config group override must be a string or a list", _bad_choice),
    (r"Ambiguous value for argument '(?P<override>.*)'", _too_many),
    (r"Sweep parameters '(?P<override>.*)' requires", _too_many),
    (r"You must specify '(?P<group>[^']*)'", _unnamed_group),
    (r"Could not override '(?P<key>[^']*)'. No match in the defaults", _no_group_to_override),
    (r"Could not override '(?P<key>[^']*)'", _no_key),
    (r"Could not delete from config. '(?P<key>[^']*)' does not exist", _no_key),
    (r"An item is already at '(?P<key>[^']*)'", _there_already),
    (r"Multiple values for (?P<key>[^ ]*)\. ", _there_already),
    (r"Unsupported item value in defaults : bool", _bare_boolean),
    (r"Invalid defaults list in '(?P<file>[^']*)'", _no_list),
    (r"Duplicate _self_ defined in (?P<file>.*)", _self_twice),
    (r"In (?P<file>[^:]*): Override '(?P<what>[^']*)' is defined before", _override_first),
    (r"Too many components in '(?P<header>[^']*)'", _bad_package),
    (r"In '(?P<file>[^']*)': ConfigTypeError", _clash),
)
