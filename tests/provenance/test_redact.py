"""No part of a password in a URL survives, however it is written."""

from __future__ import annotations

import pytest

from shackdoo.provenance.redact import without_credentials


@pytest.mark.parametrize(
    "userinfo",
    ["u:p", "u:p@ss", "u:pa/ss", "u:pa/ss@x", "u:p'w", 'u:p"w', "u:p,#?w", ":p", "TOKEN"],
)
@pytest.mark.parametrize("rest", ["h/x", "h:8080/x?y=a", "[::1]:8080"])
def test_credentials_are_removed_whole(userinfo: str, rest: str) -> None:
    text = f"tracking.uri=postgresql+psycopg://{userinfo}@{rest} seed=1"
    expected = f"tracking.uri=postgresql+psycopg://***@{rest} seed=1"
    assert without_credentials(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://h:8080/a@b",
        "http://[::1]:8080/a@b",
        "sqlite:////a/b@c.db",
        "file:///a@b",
        "git@github.com:a/b.git",
        "http://a,http://b",
    ],
)
def test_an_at_sign_behind_the_host_stays(text: str) -> None:
    assert without_credentials(text) == text


def test_each_of_several_urls_is_cleaned() -> None:
    text = "[http://u:p@a/x,http://v:q@b] http://c"
    assert without_credentials(text) == "[http://***@a/x,http://***@b] http://c"
