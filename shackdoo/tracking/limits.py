"""What MLflow can't hold is put where it can be held; nothing is cut silently.

A value that is too long goes whole into an artifact, and what is stored in its place says so.
A character that MLflow rejects in a key becomes ``_x`` and its code in hexadecimal and ``_``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

MAX_PARAM = 6000
MAX_TAG = 8000
MAX_KEY = 250
FOLDER = "long_values"


@dataclass(frozen=True)
class Fitted:
    """A key and value that MLflow holds; ``overflow`` is the whole value if it was too long."""

    key: str
    value: str
    overflow: str | None

    @property
    def artifact(self) -> str:
        """Name of the artifact that holds the whole value, in the folder ``long_values``."""
        return re.sub(r"[^\w.-]", "_", self.key) + ".txt"


def fit(key: str, value: object, longest: int) -> Fitted:
    """Return the key and the value as MLflow can hold them."""
    text, stored = str(value), fit_key(key)
    if len(text) <= longest:
        return Fitted(stored, text, None)
    fitted = Fitted(stored, "", text)
    pointer = f"[{len(text)} characters, whole in the artifact {FOLDER}/{fitted.artifact}] "
    return Fitted(stored, pointer + text[: 200 - len(pointer)], text)


def fit_key(key: str) -> str:
    """Return a key that MLflow admits; different keys stay different."""
    # Slashes may separate names, but must not make what looks like a path upwards or from the top.
    odd = r"[^\w\-. :/]" if _plain_path(key) else r"[^\w\-. :]"
    escaped = re.sub(odd, lambda found: f"_x{ord(found.group()):X}_", key) or "_x_"
    if len(escaped) <= MAX_KEY:
        return escaped
    digest = hashlib.sha256(escaped.encode()).hexdigest()[:16]
    return f"{escaped[: MAX_KEY - 17]}_{digest}"


def _plain_path(key: str) -> bool:
    return all(part not in ("", ".", "..") for part in key.split("/"))
