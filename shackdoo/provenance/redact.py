"""Credentials in URLs stay on the machine: they never enter a record."""

from __future__ import annotations

import re

# A password may hold a bare @, and in URLs of databases a bare /. In host:8080/a@b there is none.
_CREDENTIALS = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*://)(?:[^/\s@:\[]*:(?!\d*/)[^\s@]*@(?:[^/\s]*@)?|[^/\s]*@)"
)


def without_credentials(text: str) -> str:
    """Return ``text`` with ``user:password@`` of every URL in it replaced by ``***@``."""
    return _CREDENTIALS.sub(r"\g<scheme>***@", text)
