"""The model registry of a store, read without MLflow: versions, aliases, and whose they are.

The registry is that of the tracking store itself, as with every MLflow server.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from shackdoo.errors import RequestError, did_you_mean, listing
from shackdoo.tracking.server import fetch
from shackdoo.tracking.store import is_server, shown, sqlite_file

REGISTERED = "shackdoo.registered"  # tag of a run: NAME/VERSION
URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))?")
FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, or models:/NAME for the newest version"
PAGE = 1000
AT_ONCE = 100  # run ids in one question to a server: they travel in its address


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: of the registered model.
        version: its number, from 1 on.
        run_id: MLflow's id of the run that made it, ``""`` if none is known.
        aliases: those that point to it, sorted.
    """

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([f"{self.name} v{self.version}", *(f"@{alias}" for alias in self.aliases)])


class Resolved(NamedTuple):
    """The run whose model a version is, and the version's number."""

    mlflow_run_id: str
    version: int


def is_registry_uri(text: str) -> bool:
    """Return whether the text names something in the registry: ``models:/…``."""
    return text.startswith("models:")


def resolve(uri: str, store_uri: str) -> Resolved:
    """Return the run behind ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or ``models:/NAME``.

    Args:
        uri: the last form means the newest version, as ``models:/NAME/latest`` does.
        store_uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.

    Raises:
        RequestError: if it is malformed or there is no such model, alias or version.
        StoreError: if the store doesn't answer, or refuses.
    """
    asked = URI.fullmatch(uri)
    if asked is None or any(quote in uri for quote in "'\""):
        raise RequestError(f"'{uri}' names no registered model. Give {FORMS}.")
    versions = find_versions(store_uri, name=asked["name"])
    if not versions:
        raise RequestError(_no_model(asked["name"], store_uri))
    version = _chosen(uri, versions, asked["version"], asked["alias"])
    if not version.run_id:
        raise RequestError(
            f"{version.name} version {version.version} was registered without its run, so "
            f"its model can't be looked up there. Name a run instead."
        )
    return Resolved(version.run_id, version.version)


def _no_model(name: str, store_uri: str) -> str:
    known = registered_names(store_uri)
    return (
        f"No registered model '{name}' in {shown(store_uri)}.{did_you_mean(name, known)} Known: "
        f"{listing(known)}. `shackdoo register RUN {name}` registers the model of a run."
    )


def _chosen(
    uri: str, versions: Sequence[Version], number: str | None, alias: str | None
) -> Version:
    newest = max(versions, key=lambda version: version.version)
    if alias is not None:
        found = [each for each in versions if alias in each.aliases]
        aliases = sorted({alias for each in versions for alias in each.aliases})
        known = f"Its aliases: {listing(aliases)}.{did_you_mean(alias, aliases)}"
    else:
        wanted = str(newest.version) if number in (None, "latest") else number
        found = [each for each in versions if str(each.version) == wanted]
        numbers = ", ".join(str(each.version) for each in sorted(versions, key=_number))
        known = f"Its versions: {numbers}."
    if not found:
        raise RequestError(f"There is no '{uri}'. {known} Give {FORMS}.")
    return found[0]


def _number(version: Version) -> int:
    return version.version


def find_versions(
    store_uri: str, name: str | None = None, run_ids: Collection[str] | None = None
) -> list[Version]:
    """Return versions of registered models, by name and number.

    Args:
        store_uri: what :func:`~shackdoo.tracking.store.resolve_uri` returned.
        name: of this model only.
        run_ids: of these runs only.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    if is_server(store_uri):
        found = _served(store_uri, name, run_ids)
    elif _is_missing(store_uri):
        found = []
    else:
        from shackdoo.tracking.database_registry import versions_in

        found = versions_in(store_uri, name, run_ids)
    return sorted(found, key=lambda version: (version.name, version.version))


def registered_names(store_uri: str) -> list[str]:
    """Return the names of all registered models, sorted.

    Raises:
        StoreError: if the store doesn't answer, or refuses.
    """
    if is_server(store_uri):
        return sorted(_aliases(store_uri, None))
    if _is_missing(store_uri):
        return []
    from shackdoo.tracking.database_registry import names_in

    return names_in(store_uri)


def _is_missing(store_uri: str) -> bool:
    file = sqlite_file(store_uri)
    return file is not None and not (file.exists() and file.stat().st_size)


# ── a server ─────────────────────────────────────────────────────────────────────────────────


def _served(uri: str, name: str | None, run_ids: Collection[str] | None) -> list[Version]:
    answers = [
        answer for question in _filters(name, run_ids) for answer in _versions(uri, question)
    ]
    if not answers:
        return []
    aliases = _aliases(uri, name)  # a search for versions does not tell them
    return [
        Version(
            answer["name"],
            int(answer["version"]),
            answer.get("run_id", ""),
            tuple(sorted(aliases[answer["name"]][int(answer["version"])])),
        )
        for answer in answers
    ]


def _filters(name: str | None, run_ids: Collection[str] | None) -> Iterator[str]:
    """Yield the filters that together ask for what is wanted."""
    named = [] if name is None else [f"name = '{name}'"]
    if run_ids is None:
        yield " and ".join(named)
        return
    ids = sorted(run_ids)
    for start in range(0, len(ids), AT_ONCE):
        some = ", ".join(f"'{each}'" for each in ids[start : start + AT_ONCE])
        yield " and ".join([*named, f"run_id IN ({some})"])


def _versions(uri: str, question: str) -> Iterator[dict[str, Any]]:
    return _pages(uri, "model-versions/search", "model_versions", question)


def _aliases(uri: str, name: str | None) -> dict[str, dict[int, list[str]]]:
    """Return the aliases of each version of each registered model."""
    found: dict[str, dict[int, list[str]]] = {}
    question = "" if name is None else f"name = '{name}'"
    for model in _pages(uri, "registered-models/search", "registered_models", question):
        of_version = found[model["name"]] = defaultdict(list)
        for each in model.get("aliases", ()):
            of_version[int(each["version"])].append(each["alias"])
    return found


def _pages(uri: str, what: str, field: str, question: str) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        query = {"max_results": PAGE, "filter": question, "page_token": token}
        answer = fetch(uri, what, {key: value for key, value in query.items() if value})
        yield from answer.get(field, ())
        if not (token := answer.get("next_page_token", "")):
            return
