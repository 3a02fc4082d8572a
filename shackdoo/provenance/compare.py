"""What differs between two manifests, ingredient by ingredient.

What a manifest does not tell, since it is older or its run crashed, is unknown and no difference;
:func:`unknown_parts` names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shackdoo.config.record import effective, flatten

Ingredient = Literal["code", "config", "data", "environment", "machine", "determinism", "seed"]
Role = Literal["", "task", "idle"]
Manifest = Mapping[str, Any]

# Variables that name a place or a manner of speaking; no result depends on them.
WITHOUT_EFFECT = frozenset({"TF_CPP_MIN_LOG_LEVEL"})
CACHE_FLAGS = re.compile(r"--tf_xla_persistent_cache_\w+=\S+")
USUAL = {"KERAS_BACKEND": "tensorflow"}  # what a variable is when nobody has set it
MACHINE = ("architecture", "cpu_flags", "gpus")  # what bits may depend on
SWITCHES = ("determinism.", "strategy.")  # begin keys of how is computed, not what
# What a run has computed with, and the key that asks for it.
USED = {
    "threads_used": "determinism.threads",
    "devices_used": "strategy.devices",
    "xla_used": "strategy.xla",
}
PARTS = (
    *(("code", "modules"), ("config",), ("data",), ("environment", "python")),
    *(("environment", "packages"), ("environment", "variables"), ("machine", "cpu_flags")),
)
MAY_BE_EMPTY = (("environment", "variables"), ("machine", "cpu_flags"))
# Keys of an inference that name places; its data and its model are compared by their digests.
PLACES = frozenset({"run", "input", "output", "pictures", "mistakes"})
MAIN = "__main__"
MAIN_FILE = re.compile(r"task_[0-9a-f]{12}\.py")  # named by its content


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Attributes:
        ingredient: of the run.
        name: what of it: a module, a key, a data set, a package.
        recorded: its value in the first manifest, None if it has none.
        now: its value in the second.
        role: ``task`` for a module of the task's own classes, ``idle`` for what had no part in
            either result, as a package that only the second has.
    """

    ingredient: Ingredient
    name: str
    recorded: Any
    now: Any
    role: Role = ""

    def __str__(self) -> str:
        """Return it for people, in a few words."""
        if self.ingredient in ("code", "data"):
            return f"{self.ingredient}: {self.name} {_change(self.recorded, self.now)}"
        name = "" if self.name == self.ingredient else f"{self.name} "
        return f"{self.ingredient}: {name}was {_short(self.recorded)}, is {_short(self.now)}"


def differences(recorded: Manifest, now: Manifest) -> list[Difference]:
    """Return what differs of all that can change the bits of a result.

    A package that came to those recorded is none, nor is another image with the same packages.

    Args:
        recorded: the manifest of a run.
        now: another one, or what :func:`~shackdoo.provenance.capture.capture` says at present.
    """
    return [
        *_code(recorded, now),
        *_config(recorded, now),
        *_data(recorded, now),
        *_environment(recorded, now),
        *_machine(recorded, now),
        *_used(recorded, now),
    ]


def all_differences(first: Manifest, second: Manifest) -> list[Difference]:
    """Return the same of two runs, with the image, and packages that only the second has."""
    before, after = (_part(each, "environment", "packages") or {} for each in (first, second))
    images = [_part(each, "environment", "image") for each in (first, second)]
    added = {name: value for name, value in after.items() if name not in before}
    return [
        *differences(first, second),
        *(Difference("environment", name, None, value, "idle") for name, value in added.items()),
        *_differing("environment", *({"image": image} for image in images)),
    ]


def unknown_parts(manifest: Manifest) -> list[str]:
    """Return the names of what a manifest does not tell, as ``code.modules``."""
    parts = {path: _part(manifest, *path) for path in PARTS}
    return [
        ".".join(path)
        for path, part in parts.items()
        if part is None or (not part and path not in MAY_BE_EMPTY)
    ]


def is_inference(manifest: Manifest) -> bool:
    """Return whether a manifest is of a run that has asked a model, and trained none."""
    return manifest.get("trained_run") is not None


def _part(manifest: Manifest, *path: str) -> Any:
    """Return what stands at a path, None if there is nothing."""
    part: Any = manifest
    for key in path:
        part = part.get(key) if isinstance(part, Mapping) else None
    return part


def _differing(
    ingredient: Ingredient, recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in [*recorded, *(key for key in now if key not in recorded)]:
        if recorded.get(name) != now.get(name):
            yield Difference(ingredient, name, recorded.get(name), now.get(name))


def _both(recorded: Manifest, now: Manifest, *path: str) -> tuple[Any, Any] | None:
    """Return a mapping of both, None if one of them has none or an empty one."""
    before, after = _part(recorded, *path), _part(now, *path)
    if not all(isinstance(each, Mapping) and each for each in (before, after)):
        return None
    return before, after


def _code(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    """Yield the files that the task is made of and that are not the same."""
    if both := _both(recorded, now, "code", "modules"):
        classes = _class_files(recorded) | _class_files(now)
        for each in _differing("code", *(_modules(modules) for modules in both)):
            role: Role = "task" if each.name in classes else ""
            yield Difference("code", each.name, each.recorded, each.now, role)


def _modules(modules: Mapping[str, Any]) -> dict[str, Any]:
    return {MAIN if MAIN_FILE.fullmatch(path) else path: sha for path, sha in modules.items()}


def _class_files(manifest: Manifest) -> set[str]:
    """Return what the modules of the task's own classes may be called among the files."""
    target = str(_part(manifest, "config", "task", "_target_") or "").rpartition(".")[0]
    modules = [target, *(_part(manifest, "code", "classes") or ())]
    paths = [module.replace(".", "/") for module in modules]
    return {MAIN, *paths, *(f"{path}{end}" for path in paths for end in (".py", "/__init__.py"))}


def _config(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    """Yield the values that differ; the digest tells of hidden ones."""
    both = _both(recorded, now, "config")
    if both is None:
        return
    infers = is_inference(recorded) or is_inference(now)
    before, after = (_counted(values, infers) for values in both)
    found = [_of_config(each, recorded, now) for each in _differing("config", before, after)]
    yield from found
    order, other = (list(values.get("callbacks") or ()) for values in both)
    if order != other and sorted(order) == sorted(other):
        yield Difference("config", "callbacks (their order)", order, other)
    elif not found and not infers:
        yield from _hidden(recorded, now)


def _counted(config: Mapping[str, Any], infers: bool) -> dict[str, Any]:
    values = flatten(effective(config))
    return {key: v for key, v in values.items() if not (infers and key in PLACES)}


def _of_config(each: Difference, recorded: Manifest, now: Manifest) -> Difference:
    """Return a value that differs as what it is: the seed, a switch, or configuration."""
    if each.name == "seed":
        return Difference("seed", "seed", each.recorded, each.now)
    if not each.name.startswith(SWITCHES):
        return each
    used = next((name for name, key in USED.items() if key == each.name), "")
    before, after = (_part(manifest, "determinism", used) for manifest in (recorded, now))
    role: Role = "idle" if before is not None and before == after else ""
    return Difference("determinism", each.name, each.recorded, each.now, role)


def _hidden(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    before, after = recorded.get("config_digest"), now.get("config_digest")
    if before is None or after is None or before == after:
        return
    keys = sorted({*(recorded.get("redacted") or ()), *(now.get("redacted") or ())})
    name = f"hidden value of {' or '.join(keys)}" if keys else "config_digest"
    yield Difference("config", name, before, after)


def _data(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    """Yield the data that differ: those that were read, and weights that were begun with."""
    if both := _both(recorded, now, "data"):
        infers = is_inference(recorded) and is_inference(now)
        yield from _differing("data", *(_digests(entries, infers) for entries in both))
    for name, path in (
        ("init_from", ("init_from", "weights_sha256")),
        ("trained_run", ("trained_run",)),
    ):
        before, after = _part(recorded, *path), _part(now, *path)
        if before is not None and after is not None and before != after:
            yield Difference("data", name, before, after)


def _digests(entries: Mapping[str, Any], infers: bool) -> dict[str, Any]:
    """Return digests by name; the one input of an inference may be called whatever its file is."""
    digests = {name: _part(entry, "sha256") for name, entry in entries.items()}
    if infers and len(digests) == 1:
        return {"inputs": next(iter(digests.values()))}
    return digests


def _environment(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    """Yield Python, packages and variables that differ; packages that came to it do not count."""
    pythons = [_part(each, "environment", "python") for each in (recorded, now)]
    if None not in pythons:
        yield from _differing("environment", *({"Python": python} for python in pythons))
    if both := _both(recorded, now, "environment", "packages"):
        before, after = both
        kept = {name: value for name, value in after.items() if name in before}
        yield from _differing("environment", before, kept)
    sets = [_part(each, "environment", "variables") for each in (recorded, now)]
    if all(isinstance(each, Mapping) for each in sets):
        yield from _differing("environment", *(_variables(each) for each in sets))


def without_cache_flags(value: str) -> str:
    """Return the value of a variable without the flags that name the cache of compiled programs."""
    return CACHE_FLAGS.sub("", value).strip()


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    set_ones = {
        name: without_cache_flags(str(value))
        for name, value in variables.items()
        if name not in WITHOUT_EFFECT
    }
    return {name: value for name, value in {**USUAL, **set_ones}.items() if value}


def _machine(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    if both := _both(recorded, now, "machine"):
        known = [name for name in MACHINE if all(name in each for each in both)]
        yield from _differing("machine", *({name: each[name] for name in known} for each in both))


def _used(recorded: Manifest, now: Manifest) -> Iterator[Difference]:
    """Yield what the runs computed with, where both tell it."""
    for name in USED:
        before, after = (_part(each, "determinism", name) for each in (recorded, now))
        if before is not None and after is not None and before != after:
            yield Difference("determinism", name, before, after)


def _change(recorded: Any, now: Any) -> str:
    if recorded is None:
        return "is new"
    return "has changed" if now is not None else "is gone"


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
