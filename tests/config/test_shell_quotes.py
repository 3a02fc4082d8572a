from __future__ import annotations

import os
import sys

import pytest

from shackdoo.cli import main
from shackdoo.config.shell_quotes import VARIABLE, as_written


@pytest.fixture
def quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(sys, "argv", ["shackdoo", "train", "'seed=1'"])


def test_one_layer_comes_off_and_no_second(quoted: None) -> None:
    assert as_written(["train", "'a b'", "''\"'\"'a b'\"'\"''"]) == ["train", "a b", "'a b'"]
    assert sys.argv == ["shackdoo", "train", "seed=1"]


def test_a_process_that_is_started_from_here_gets_its_arguments_bare(quoted: None) -> None:
    as_written([])
    assert VARIABLE not in os.environ
    assert as_written(["'a b'"]) == ["'a b'"]


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_the_variable_quotes_are_the_user_s_own(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert as_written(["+tags.note='a b'"]) == ["+tags.note='a b'"]


@pytest.mark.parametrize(
    ("argument", "quotes"),
    [("two words", "'two words'"), ("it's", "'it'\"'\"'s'"), ("", "''"), ("  ", "'  '")],
)
def test_an_argument_without_its_quotes_is_refused(
    argument: str,
    quotes: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setattr(sys, "argv", ["shackdoo"])
    assert main(["train", argument]) == 2
    assert capsys.readouterr().err == (
        "error: SHACKDOO_QUOTED_ARGUMENTS is 1, so each argument has to be one word in a shell's "
        f"quotes, and {argument!r} is not. Write it as {quotes}, or leave the variable out where "
        "the program gets its arguments without quotes.\n"
    )
