"""What a model may be called in the registry: MLflow's own rules, asked before it is loaded."""

from __future__ import annotations

import pytest

from shackdoo.config.registered_name import RegisteredName, parse_registered_name


@pytest.mark.parametrize(
    ("text", "name", "alias"),
    [
        ("digits", "digits", None),
        ("digits@champion", "digits", "champion"),
        ("手書き 数字@本番", "手書き 数字", "本番"),
        ("a.b-c_d", "a.b-c_d", None),
    ],
)
def test_a_name_and_its_alias_are_told_apart(text: str, name: str, alias: str | None) -> None:
    found = parse_registered_name(text)
    assert found == RegisteredName(name, alias)
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "the name is empty"),
        ("@champion", "the name is empty"),
        (" digits", "blanks around it"),
        ("a/b", "may not hold /"),
        ("a:b", "may not hold :"),
        ("it's", "may not hold '"),
        ("..", "is no name but a path"),
        (".", "is no name but a path"),
        ("n" * 257, "257 characters; 256 are allowed"),
        ("digits@", "the alias '' may hold letters"),
        ("digits@a b", "the alias 'a b' may hold letters"),
        ("digits@a@b", "the alias 'a@b' may hold letters"),
        ("digits@" + "a" * 256, "256 characters; 255 are allowed"),
        ("digits@latest", "the alias 'latest' is reserved"),
        ("digits@V3", "the alias 'V3' is reserved"),
    ],
)
def test_what_mlflow_would_refuse_is_refused_with_the_reason(text: str, trouble: str) -> None:
    with pytest.raises(ValueError, match="must be NAME or NAME@ALIAS") as caught:
        parse_registered_name(text)
    assert trouble in str(caught.value)


@pytest.mark.parametrize("text", ["digits", "a.b", "手書き 数字", "n" * 256])
def test_mlflow_takes_every_name_that_is_taken_here(text: str) -> None:
    from mlflow.utils.validation import _validate_model_alias_name, _validate_model_name

    _validate_model_name(parse_registered_name(text).name)
    alias = parse_registered_name("digits@本番-2").alias
    assert alias is not None
    _validate_model_alias_name(alias)
