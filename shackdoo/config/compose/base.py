"""The configuration of a recorded run, as the base of another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shackdoo.config.nested import Key


@dataclass(frozen=True)
class Base:
    """The configuration of a run, as it was recorded.

    Attributes:
        name: what it is called in messages: ``the configuration of the run 1a2b3c4d``.
        uid: of the run; None if only a file is known.
        values: the whole configuration, its interpolations resolved.
        raw: keys whose text is still to be resolved: ``${oc.env:NAME}``.
        hidden: keys whose value the record does not have, since it is a secret; what stands
            there instead is no value.
    """

    name: str
    uid: str | None
    values: Mapping[str, Any]
    raw: frozenset[Key] = frozenset()
    hidden: frozenset[Key] = frozenset()

    @property
    def task(self) -> str:
        """The name of the task that was trained."""
        return str(self.values["task"]["name"])

    def written(self) -> dict[str, Any]:
        """Return the values as OmegaConf reads them: no text but ``raw`` is an interpolation."""
        return {key: self._written(value, (key,)) for key, value in self.values.items()}

    def _written(self, value: Any, key: Key) -> Any:
        if isinstance(value, Mapping):
            return {name: self._written(part, (*key, str(name))) for name, part in value.items()}
        if isinstance(value, list):
            return [self._written(part, (*key, str(n))) for n, part in enumerate(value)]
        alive = isinstance(value, str) and key not in self.raw
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if alive else value

    def to_json(self) -> dict[str, Any]:
        """Return it in types of JSON; see :meth:`from_json`."""
        keys = {"raw": sorted(map(list, self.raw)), "hidden": sorted(map(list, self.hidden))}
        return {"name": self.name, "uid": self.uid, "values": dict(self.values), **keys}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Base:
        """Return the base that :meth:`to_json` was called of."""
        raw, hidden = (frozenset(map(tuple, entry[name])) for name in ("raw", "hidden"))
        return cls(entry["name"], entry["uid"], entry["values"], raw, hidden)
