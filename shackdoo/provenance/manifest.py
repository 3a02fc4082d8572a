"""What a manifest must look like: it may come from elsewhere, and code is run by what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance import environment
from shackdoo.provenance.capture import MOST_UNTRACKED, SCHEMA_VERSION
from shackdoo.provenance.names import LONGEST, is_inside
from shackdoo.provenance.untracked import MOST

DEEPEST = 64  # mappings and lists in each other
SHOWN = 3  # faults in one message


def _inside(name: str) -> str:
    if not is_inside(name):
        raise ValueError("no name of a file inside a project")
    return name


def _inside_folder(name: str) -> str:
    if name and not (name.endswith("/") and is_inside(name[:-1])):
        raise ValueError("no folder inside a project")
    return name


def _whole(config: dict[str, Any]) -> dict[str, Any]:
    found = config.get("task")
    task: dict[str, Any] = found if isinstance(found, dict) else {}
    texts = all(isinstance(task.get(key), str) for key in ("name", "_target_"))
    lists = isinstance(task.get("parameters"), dict) and isinstance(config.get("flows"), list)
    if not (texts and lists):
        raise ValueError("no whole configuration: task and flows belong to one")
    return config


# Told by the pattern in part, for who has the schema only; the rest by the function.
_PLAIN = r"^[^-/\\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*$"
Name: TypeAlias = Annotated[str, Field(max_length=LONGEST, pattern=_PLAIN), AfterValidator(_inside)]
Folder: TypeAlias = Annotated[str, Field(max_length=LONGEST), AfterValidator(_inside_folder)]
Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit: TypeAlias = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
Package: TypeAlias = Annotated[str, Field(max_length=200, pattern=f"^{environment.NAME.pattern}$")]
Version: TypeAlias = Annotated[
    str, Field(max_length=200, pattern=f"^{environment.VERSION.pattern}$")
]
Text: TypeAlias = Annotated[str, Field(max_length=1 << 16)]
Source: TypeAlias = Annotated[str, Field(max_length=1 << 22)]


class _Part(BaseModel):
    # What a later version of the same schema adds is passed over.
    model_config = ConfigDict(extra="allow", strict=True)


class Submodule(_Part):
    """A repository inside the project's one."""

    path: Name
    url: Text | None
    commit: Commit
    dirty: bool
    diff_sha256: Digest | None


class Code(_Part):
    """What is computed, and where it can be had."""

    root: Text
    prefix: Folder | None = None
    commit: Commit | None
    branch: Text | None
    remote: Text | None
    dirty: bool | None
    diff_sha256: Digest | None
    untracked: list[Text] | None = Field(max_length=MOST_UNTRACKED)
    untracked_kept: dict[Name, Digest] = Field(default={}, max_length=MOST)
    untracked_left_out: dict[Text, Text] = Field(default={}, max_length=MOST_UNTRACKED)
    submodules: list[Submodule] = Field(default=[], max_length=1000)
    snapshot_sha256: Digest | None = None
    sources: dict[Text, Source] = Field(max_length=1000)
    classes: dict[Text, Digest] = Field(max_length=1000)
    modules: dict[Name, Digest] = Field(max_length=20_000)


class Data(_Part):
    """A data set that is read."""

    path: Text
    sha256: Digest
    train: list[Text] | None = None
    validation: list[Text] | None = None
    test: list[Text] | None = None


class Environment(_Part):
    """The software."""

    python: Version
    implementation: Text
    executable: Text
    packages: dict[Package, Version] = Field(max_length=10_000)
    lock: dict[Name, Digest] = Field(max_length=100)
    image: Text | None
    variables: dict[Text, Text] = Field(max_length=10_000)


class Machine(_Part):
    """The hardware."""

    hostname: Text
    system: Text
    architecture: Text
    cpu: Text | None
    cpu_flags: list[Text] = Field(max_length=10_000)
    cores: int | None
    memory: int | None
    gpus: list[dict[str, Text]] = Field(max_length=1000)


class Determinism(_Part):
    """The switches, and what became of them."""

    enabled: bool
    threads: int | None
    strategy: Text
    xla: bool
    threads_used: int | None = Field(None, ge=1)
    devices_used: int | None = Field(None, ge=1)
    xla_used: bool | None = None


class Weights(_Part):
    """Digests of what was trained."""

    sha256: Digest
    arrays: dict[Text, Digest] = Field(max_length=100_000)


class Results(_Part):
    """What came out."""

    weights: Weights | None = None  # an inference trains none
    predictions_sha256: Digest | None
    metrics: dict[Text, float] = Field(max_length=100_000)


class Manifest(_Part):
    """All that a run is made of, and what came out."""

    schema_version: int = Field(ge=1, le=SCHEMA_VERSION)
    run_uid: Text
    created: Text
    command: list[Source] = Field(max_length=100_000)
    overrides: list[Source] = Field(max_length=100_000)
    config: Annotated[dict[str, JsonValue], AfterValidator(_whole)]
    redacted: list[Text]
    config_digest: Digest
    code: Code
    data: dict[Name, Data] = Field(max_length=1000)
    environment: Environment
    machine: Machine
    determinism: Determinism
    seed: int
    results: Results | None = None
    init_from: dict[str, JsonValue] | None = None
    trained_run: Text | None = None
    input: Source | None = None  # of an inference
    resumed: list[dict[str, JsonValue]] | None = None
    seconds: dict[str, float] | None = None
    wall_seconds: float | None = None


# Keys of `code` that came with version 2, as a manifest of version 1 would have them.
ADDED: Mapping[str, Any] = {
    **{"prefix": None, "untracked_kept": {}, "untracked_left_out": {}},
    **{"submodules": [], "snapshot_sha256": None},
}


def schema() -> str:
    """Return the JSON Schema of a manifest, as it is shipped in ``manifest.schema.json``."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(),
    }
    return json.dumps(described, indent=1) + "\n"


def read(text: str | bytes, where: str) -> dict[str, Any]:
    """Return a manifest that has been checked; keys that an older one has not are empty.

    Args:
        text: JSON.
        where: what the manifest is, for messages.

    Raises:
        RequestError: if it is none.
        IngredientError: if a newer shackdoo has written it.
    """
    found = _loaded(text, where)
    _check_version(found, where)
    try:
        Manifest.model_validate(_sayable(found))
    except ValidationError as error:
        raise RequestError(f"{where} is damaged: {_faults(error)}.") from None
    return {**found, "code": {**ADDED, **found["code"]}}


def _loaded(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        if _depth(found) > DEEPEST:
            raise RecursionError
    except RecursionError:
        raise RequestError(f"{where} is damaged: it has too many levels.") from None
    except ValueError as error:
        raise RequestError(f"{where} is damaged: {error}.") from None
    if not isinstance(found, dict):
        raise RequestError(f"{where} is damaged: no mapping.")
    return found


def _check_version(found: Mapping[str, Any], where: str) -> None:
    version = found.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise IngredientError(
            f"{where} has the version {version} of the schema; this shackdoo reads up to "
            f"{SCHEMA_VERSION}. Install a newer one: pip install --upgrade shackdoo."
        )


def _faults(error: ValidationError) -> str:
    faults = [
        f"{_key(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors(include_url=False, include_input=False)
    ]
    more = f", and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return "; ".join(faults[:SHOWN]) + more


def _key(place: Sequence[int | str]) -> str:
    """Return a dotted key; a name in it may be anything, so it is quoted and short."""
    parts = [str(part) for part in place if part != "[key]"]
    return ".".join(part if part.isidentifier() else repr(part[:80]) for part in parts)


def _depth(value: Any) -> int:
    """Return how many mappings and lists stand in each other."""
    depth, level = 0, [value]
    while level := [part for each in level for part in _parts(each)]:
        depth += 1
    return depth


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _sayable(value: Any) -> Any:
    """Return JSON with the bytes in names that are no UTF-8 replaced: pydantic takes none."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_sayable(key): _sayable(part) for key, part in value.items()}
    return [_sayable(part) for part in value] if isinstance(value, list) else value
