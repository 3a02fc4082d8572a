"""Secrets stay on the machine: found by the name of their key, by their look, or by their value."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shackdoo.provenance.redact import without_credentials

HIDDEN = "***"
SHORTEST_LITERAL = 6  # a shorter value is hidden under its key only: text would be shredded
Path_ = tuple[str, ...]

# A key is read as words: ``aws.secretAccessKey`` as aws, secret, access, key.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALWAYS = {"password", "passwd", "passphrase", "secret", "secrets", "credential", "credentials"}
_ALWAYS |= {"apikey", "bearer"}
_LAST = {"token", "pwd", "auth", "authorization", "dsn", "cookie"}
_PAIRS = {("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")}
_PAIRS |= {("signing", "key"), ("encryption", "key"), ("ssh", "key"), ("connection", "string")}
# Tokens of language models are no secrets.
_HARMLESS_TOKENS = {"pad", "bos", "eos", "mask", "unk", "cls", "sep", "start", "end", "special"}

# Tokens that tell by their look what they are; each with who gives them out.
_LOOKS = (
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # AWS
    r"\bgh[opsur]_[A-Za-z0-9]{30,}",  # GitHub
    r"\bgithub_pat_\w{22,}",
    r"\bglpat-[\w-]{20,}",  # GitLab
    r"\bxox[abeoprs]-[\w-]{10,}",  # Slack
    r"\b[rs]k_(?:live|test)_\w{16,}",  # Stripe
    r"\bAIza[\w-]{35}",  # Google
    r"\bsk-[\w-]{20,}",  # OpenAI, Anthropic
    r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bpypi-[\w-]{50,}",
    r"\bSG\.[\w-]{20,}\.[\w-]{20,}",  # SendGrid
    r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",  # JSON web tokens
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
_LOOK = re.compile("|".join(_LOOKS), re.DOTALL)
_HEADER = re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}")
# ``password=…``, ``"token": "…"``, ``--api-key …``
_ASSIGNED = re.compile(
    r"""(?P<key>[\w.-]+)(?P<sign>["']?\s*[=:]\s*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s"',;)\]}]+)"""
)
_OPTION = re.compile(r"""(?P<key>--[\w.-]+)(?P<sign>\s+)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s-]\S*)""")
_PLAIN = {"", "null", "none", "true", "false", HIDDEN}


def is_secret_key(key: str) -> bool:
    """Return whether what stands under this key is a secret by its name."""
    words = [word.lower() for word in _WORD.findall(key)]
    if not words:
        return False
    pairs = set(itertools.pairwise(words))
    if _ALWAYS & set(words) or _PAIRS & pairs:
        return words[-1] not in ("count", "length", "size", "path", "file", "name", "id")
    return words[-1] in _LAST and not _HARMLESS_TOKENS & set(words)


@dataclass(frozen=True)
class Redactor:
    """Hides the secrets of one run.

    Attributes:
        literals: secret values, the longest first, in every form they may be written in.
        interpolated: key of each value that came from the environment, to the text that says so
            (``${oc.env:NAME}``), which stands for it in records.
    """

    literals: tuple[str, ...]
    interpolated: Mapping[Path_, str]

    @classmethod
    def of(
        cls,
        values: Mapping[str, Any],
        interpolated: Mapping[Path_, str],
        environment: Mapping[str, str],
    ) -> Redactor:
        """Return the redactor of a run.

        Args:
            values: the composed configuration.
            interpolated: keys of its values that came from the environment.
            environment: variables; those with the name of a secret are hidden wherever they are.
        """
        secrets = {
            str(value)
            for path, value in _leaves(values, ())
            if path in interpolated or _secret_under(path[-1], value)
        }
        secrets |= {value for name, value in environment.items() if _secret_variable(name, value)}
        written = {form for secret in secrets for form in _forms(secret)}
        return cls(tuple(sorted(written, key=len, reverse=True)), interpolated)

    def text(self, text: str) -> str:
        """Return free text without secrets."""
        text = _HEADER.sub(rf"\g<1>{HIDDEN}", self.known(text))
        for pattern in (_ASSIGNED, _OPTION):
            text = pattern.sub(_hide_assigned, text)
        return text

    def known(self, text: str) -> str:
        """Return text without the run's own secrets and those that tell by their look."""
        text = without_credentials(text)
        for literal in self.literals:
            text = text.replace(literal, HIDDEN)
        return _LOOK.sub(HIDDEN, text)

    def value(self, value: Any, path: Path_ = ()) -> Any:
        """Return nested mappings and lists without secrets; numbers stay what they are."""
        if isinstance(value, Mapping):
            return {key: self.value(part, (*path, str(key))) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(part, (*path, str(n))) for n, part in enumerate(value)]
        if path in self.interpolated:
            return self.interpolated[path]
        if any(_secret_under(key, value) for key in path):
            return HIDDEN
        return self.text(value) if isinstance(value, str) else value

    def hidden_keys(self, values: Mapping[str, Any]) -> list[str]:
        """Return the dotted keys of ``values`` that :meth:`value` changes."""
        return [
            ".".join(path)
            for path, value in _leaves(values, ())
            if self.value(value, path) != value
        ]


def _leaves(value: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, Mapping):
        parts: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        if path:
            yield path, value
        return
    for key, part in parts:
        yield from _leaves(part, (*path, str(key)))


def _secret_under(key: str, value: object) -> bool:
    """Return whether a value is a secret because of its key; null, true and false are none."""
    if value is None or isinstance(value, bool) or str(value).lower() in _PLAIN:
        return False
    return is_secret_key(key)


def _secret_variable(name: str, value: str) -> bool:
    # PWD is the working folder; of a file with secrets the path is none.
    if name in ("PWD", "OLDPWD") or not _secret_under(name, value):
        return False
    return not (value.startswith(("/", "~")) and Path(value).expanduser().exists())


def _forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret may be written in a text."""
    if len(secret) < SHORTEST_LITERAL:
        return
    yield secret
    yield quote(secret, safe="")
    yield secret.replace("'", "'\"'\"'")  # by a shell
    yield repr(secret)[1:-1]
    yield secret.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")  # in JSON


def _hide_assigned(found: re.Match[str]) -> str:
    bare = found["value"].strip("\"'")
    if bare.lower() in _PLAIN or bare.startswith("${") or not is_secret_key(found["key"]):
        return found[0]
    return f"{found['key']}{found['sign']}{HIDDEN}"
