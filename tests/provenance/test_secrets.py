"""What is a secret and what is none; the planted tokens are made up."""

from __future__ import annotations

import pytest

from shackdoo.provenance.secrets import Redactor, is_secret_key

NOTHING = Redactor.of({}, {}, {})


@pytest.mark.parametrize(
    "key",
    [
        *(
            "password",
            "db_password",
            "PGPASSWORD_PASSWORD",
            "passwd",
            "client_secret",
            "clientSecret",
        ),
        *(
            "api_key",
            "apiKey",
            "apikey",
            "aws.secretAccessKey",
            "AWS_SECRET_ACCESS_KEY",
            "private_key",
        ),
        *(
            "token",
            "HF_TOKEN",
            "auth",
            "smtp.credentials",
            "connection_string",
            "dsn",
            "Authorization",
        ),
    ],
)
def test_keys_of_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *("max_tokens", "token_count", "tokenizer", "pad_token", "eos_token", "author", "authors"),
        *("key", "monkey", "keys", "learning_rate", "password_length", "secret_path", "seed"),
        *("passes", "compass", "", "7", "label_smoothing"),
    ],
)
def test_keys_of_no_secrets(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("AKIA" + "Q" * 16, "***"),
        ("see ghp_" + "a1" * 18 + ".", "see ***."),
        ("github_pat_" + "A1" * 20, "***"),
        ("glpat-" + "x" * 20, "***"),
        ("xoxb-1234567890-abc", "***"),
        ("sk_live_" + "a" * 24, "***"),
        ("AIza" + "b" * 35, "***"),
        ("sk-ant-" + "c" * 30, "***"),
        ("hf_" + "d" * 34, "***"),
        ("npm_" + "e" * 36, "***"),
        ("pypi-" + "f" * 60, "***"),
        ("SG." + "g" * 22 + "." + "h" * 43, "***"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "***"),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\nabc\n-----END RSA PRIVATE KEY-----\nb",
            "a\n***\nb",
        ),
        ("curl -H 'Authorization: Bearer abcdefgh12'", "curl -H 'Authorization: *** ***'"),
        ("Basic dXNlcjpwYXNz is sent", "Basic *** is sent"),
        ("x task.parameters.api_key=abc seed=1", "x task.parameters.api_key=*** seed=1"),
        ("--token abc --verbose yes", "--token *** --verbose yes"),
        ("""{"password": "two words", "n": 1}""", """{"password": ***, "n": 1}"""),
        ("http://me:pw@host/x", "http://***@host/x"),
    ],
)
def test_free_text(text: str, clean: str) -> None:
    assert NOTHING.text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "sha256 " + "ab12" * 16,
        "run 714ec6a51eb0452cb893f512f560bff0",
        "max_tokens=5 author: me@example.org lr=0.001 path=/home/me/data",
        "the token is expired and the password too",
        "password: null, token=${oc.env:TOKEN}, secret = true",
        "task=Mnist_B -m seed=1,2 optimizer=adam",
        "Mnist_B < Mnist_A < Task",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert NOTHING.text(text) == text


CONFIG = {
    "seed": 3,
    "user": "alice-from-env",
    "task": {"parameters": {"rate": 0.5, "epochs": 2, "db": {"password": "hunter22", "port": 1}}},
    "callbacks": {"notify": {"tokens": ["x"], "token": 12345678, "on": True}},
    "list": ["a", {"secret": "s1"}, "http://u:p@h"],
}
INTERPOLATED = {("user",): "${oc.env:ALICE}"}


def test_values_are_hidden_by_key_and_numbers_stay_numbers() -> None:
    redactor = Redactor.of(CONFIG, INTERPOLATED, {})
    assert redactor.value(CONFIG) == {
        "seed": 3,
        "user": "${oc.env:ALICE}",
        "task": {"parameters": {"rate": 0.5, "epochs": 2, "db": {"password": "***", "port": 1}}},
        "callbacks": {"notify": {"tokens": ["x"], "token": "***", "on": True}},
        "list": ["a", {"secret": "***"}, "http://***@h"],
    }
    assert redactor.hidden_keys(CONFIG) == [
        "user",
        "task.parameters.db.password",
        "callbacks.notify.token",
        "list.1.secret",
        "list.2",
    ]


def test_a_secret_is_hidden_wherever_it_is_repeated() -> None:
    redactor = Redactor.of(CONFIG, INTERPOLATED, {})
    text = "ValueError: hunter22 of alice-from-env, 12345678; s1 is short"
    assert redactor.text(text) == "ValueError: *** of ***, ***; s1 is short"


@pytest.mark.parametrize("written", ["it's & all", "it%27s%20%26%20all", "it'\"'\"'s & all"])
def test_however_it_is_written(written: str) -> None:
    redactor = Redactor.of({"password": "it's & all"}, {}, {})
    assert redactor.known(f"<{written}>") == "<***>"


def test_variables_with_the_name_of_a_secret() -> None:
    variables = {
        "MLFLOW_TRACKING_PASSWORD": "correct horse",
        "PWD": "/srv/work",
        "HF_TOKEN": "true",
        "GOOGLE_CREDENTIALS": "/etc/hostname",
        "LANG": "C.UTF-8",
    }
    text = "correct horse /srv/work true /etc/hostname C.UTF-8"
    expected = "*** /srv/work true /etc/hostname C.UTF-8"
    assert Redactor.of({}, {}, variables).text(text) == expected
