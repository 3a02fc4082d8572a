"""Code on its way to a server: a diff, or a file that git does not track, without its secrets.

detect-secrets (Yelp) tells what looks like one; its import and its rules take too long for the
start of a training, so this is the shipper's work.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detect_secrets.core.plugins.initialize import from_plugin_classname

from shackdoo.provenance.redacted_head import redacted_head
from shackdoo.provenance.secrets import Redactor
from shackdoo.provenance.snapshot import ZIP
from shackdoo.provenance.untracked import keeps_secrets

MARK = "***REDACTED***"
# Left out are its rules for random-looking text and for addresses: digests are no secrets.
_RULES = (
    *("ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector"),
    *("CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector"),
    *("IbmCloudIamDetector", "IbmCosHmacDetector", "JwtTokenDetector", "KeywordDetector"),
    *("MailchimpDetector", "NpmDetector", "OpenAIDetector", "PypiTokenDetector"),
    *("SendGridDetector", "SlackDetector", "SoftlayerDetector", "SquareOAuthDetector"),
    *("StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True)
class Finding:
    """A secret that was taken out: where it was (line in the new file; 0: the whole) and what."""

    file: str
    line: int
    kind: str


def redact_file(source: Path, target: Path) -> None:
    """Write a diff or another text anew without its secrets; the file is whole or absent.

    What is no text (a file with NUL bytes that is no diff) is copied as it is. Of a copy of the
    code, which is a zip, only a text that says where its secrets are is left if it has any.
    """
    content = source.read_bytes()
    diff = content.startswith(b"diff --git ")
    if target.name == ZIP:
        content = _searched_zip(content)
    elif diff or b"\0" not in content:
        content = redact_diff(content)[0] if diff else _redact_text(content, target.name)
    part = target.with_name(f".{target.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(target)


def redact_diff(diff: bytes) -> tuple[bytes, list[Finding]]:
    """Return a git diff without secrets, and where they were.

    Without findings it is the same to the byte. With findings it begins with lines that name
    them, as it can't be applied any more.
    """
    reader = _Reader()
    text = diff.decode("utf-8", "surrogateescape")
    lines = list(reader.diff(text.split("\n")))
    if not reader.findings:
        return diff, []
    return _told(reader.findings, "\n".join(lines)), reader.findings


def _redact_text(content: bytes, name: str) -> bytes:
    lines, findings = _read_text(content, name)
    return _told(findings, "\n".join(lines)) if findings else content


def _read_text(content: bytes, name: str) -> tuple[list[str], list[Finding]]:
    """Return the lines of a text without secrets, and where they were."""
    reader = _Reader()
    reader.file = name
    text = content.decode("utf-8", "surrogateescape")
    lines = [reader.line(line, number) for number, line in enumerate(text.split("\n"), 1)]
    return lines, reader.findings


def _searched_zip(content: bytes) -> bytes:
    """Return a zip in whose files no secret is found, else where the secrets are."""
    findings: list[Finding] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if keeps_secrets(name):
                findings.append(Finding(name, 0, "a file of secrets"))
            findings += _read_text(archive.read(name), name)[1]
    return _told(findings, "") if findings else content


def _told(findings: list[Finding], text: str) -> bytes:
    head = redacted_head(f"{each.file}:{each.line}  {each.kind}" for each in findings)
    return (head + text).encode("utf-8", "surrogateescape")


class _Reader:
    """Reads lines one by one and remembers where in which file it is."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.file = ""
        self._redactor = Redactor.of({}, {}, os.environ)
        self._rules: list[Any] = [from_plugin_classname(name) for name in _RULES]
        self._in_key = False

    def diff(self, lines: list[str]) -> Iterator[str]:
        """Yield the lines of a diff; of a file that is a store of secrets its name alone."""
        number, secret_file = 0, False
        for line in lines:
            if line.startswith("diff --git "):
                self.file = line.rpartition(" b/")[2]
                self._in_key = False
                secret_file = keeps_secrets(self.file)
                number = 0
                yield line
                if secret_file:
                    self.findings.append(Finding(self.file, 0, "a file of secrets"))
                    yield f"{MARK} the whole change of this file"
            elif secret_file:
                continue
            elif hunk := _HUNK.match(line):
                number = int(hunk[1])
                yield line
            elif number and line[:1] in ("+", "-", " "):
                yield line[0] + self.line(line[1:], number)
                number += line[0] != "-"
            else:
                yield line

    def line(self, line: str, number: int) -> str:
        """Return a line without secrets."""
        if self._of_private_key(line):
            self._found(number, "Private Key")
            return MARK
        clean = line
        for rule in self._rules:
            for secret in rule.analyze_line(filename=self.file, line=line, line_number=number):
                if secret.secret_value and MARK not in secret.secret_value:
                    clean = clean.replace(secret.secret_value, MARK)
                    self._found(number, secret.type)
        known = self._redactor.known(clean)
        if known != clean:
            self._found(number, "known secret")
        return known

    def _of_private_key(self, line: str) -> bool:
        """Return whether the line is a part of a private key, which has several."""
        inside = self._in_key or bool(_KEY_BEGINS.search(line))
        self._in_key = inside and not _KEY_ENDS.search(line)
        return inside

    def _found(self, number: int, kind: str) -> None:
        finding = Finding(self.file, number, kind)
        if finding not in self.findings:
            self.findings.append(finding)
