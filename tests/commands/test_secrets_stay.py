"""Twenty kinds of secrets are planted in a run; none leaves this machine."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shackdoo.tracking.journal import JOURNAL
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import local_runs

Run = Callable[..., subprocess.CompletedProcess[str]]

# Kind to the text that must not be found; all of them are made up.
PLANTED = {
    "a value under a key of the YAML": "yaml-password-Q1",
    "a value in a list of mappings": "listed-secret-Q2",
    "a camelCase key": "camel-secret-Q3",
    "an override": "typed-api-key-Q4",
    "a tag": "tagged-token-Q5",
    "a value from the environment": "from-environment-Q6",
    "an interpolation of such a value": "chained-environment-Q7",
    "a variable that nobody mentions, in an exception": "exception-password-Q8",
    "an entry of .env": "dotenv-secret-Q9",
    "a password in a URL": "url-password-Q10",
    "a token as a URL's user": "url-token-Q11",
    "an AWS key": "AKIA" + "Q" * 14 + "12",
    "a GitHub token": "ghp_" + "q" * 34 + "13",
    "a Slack token": "xoxb-1234567890-q14",
    "a JSON web token": "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMQ15",
    "a private key": "MIIEpAIBAAKCAQEAq16",
    "an authorization header": "bearer-of-Q17",
    "a Hugging Face token": "hf_" + "q" * 32 + "18",
    "a changed file": "diffed-password-Q19",
    "an untracked file": "untracked-password-Q20",
    "a file that keeps secrets": "pem-Q21",
}

TASK = '''
from typing import Any

from shackdoo.tasks.mnist import Mnist_A


class Leaky(Mnist_A):
    """A task that tells in its exception what it knows."""

    class Parameters(Mnist_A.Parameters):
        database: dict[str, Any]
        servers: list[Any]
        awsSecretAccessKey: str
        api_key: str
        user: str
        greeting: str
        notes: list[str]

    def fetch_data(self):
        import os

        parameters = self.parameters
        raise RuntimeError(
            f"{parameters.database} {parameters.servers} {parameters.greeting} {parameters.user} "
            f"{os.environ['SERVICE_PASSWORD']} {os.environ['DOTENV_SECRET']} {parameters.notes} "
            f"{parameters.api_key} {parameters.awsSecretAccessKey}"
        )
'''

YAML = """\
# @package _global_
defaults: [Mnist_A, _self_]
task:
  name: Leaky
  _target_: leaky.Leaky
  parameters:
    database: {{host: db, password: {a value under a key of the YAML}, port: 5432}}
    servers: [{{name: one, secret: {a value in a list of mappings}}}]
    awsSecretAccessKey: {a camelCase key}
    api_key: to-be-given
    user: ${{oc.env:SOMEBODY}}
    greeting: hello ${{oc.env:NICKNAME}}
    notes:
      - https://me:{a password in a URL}@example.org/x
      - https://{a token as a URL's user}@example.org/y
      - {an AWS key}
      - {a GitHub token}
      - {a Slack token}
      - {a JSON web token}
      - "-----BEGIN RSA PRIVATE KEY-----\\n{a private key}\\n-----END RSA PRIVATE KEY-----"
      - "Authorization: Bearer {an authorization header}"
      - {a Hugging Face token}
"""


@pytest.fixture
def leaky_project(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in git with secrets in every place that one can think of."""
    monkeypatch.setenv("SOMEBODY", PLANTED["a value from the environment"])
    monkeypatch.setenv("NICKNAME", PLANTED["an interpolation of such a value"])
    monkeypatch.setenv(
        "SERVICE_PASSWORD", PLANTED["a variable that nobody mentions, in an exception"]
    )
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "somebody")
        monkeypatch.setenv(f"{name}_EMAIL", "somebody@example.org")
    (own_project / "conf" / "task" / "Leaky.yaml").write_text(YAML.format_map(PLANTED))
    (own_project / "leaky.py").write_text(TASK)
    (own_project / ".env").write_text(f"DOTENV_SECRET={PLANTED['an entry of .env']}\n")
    (own_project / ".gitignore").write_text("*mlflow.db*\nmlruns/\ndata/\n.env\n__pycache__/\n")
    for command in (["init", "-b", "main"], ["add", "."], ["commit", "-m", "all"]):
        subprocess.run(["git", "-C", str(own_project), *command], check=True, capture_output=True)
    for file, kind in (("leaky.py", "a changed file"), ("new.py", "an untracked file")):
        with (own_project / file).open("a") as code:
            code.write(f'password = "{PLANTED[kind]}"\n')
    (own_project / "server.pem").write_text(PLANTED["a file that keeps secrets"])
    return own_project


def everything_that_left(project: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
    """The store, all artifacts and the shipper's log."""
    files = [project / "mlflow.db", folder / "shipper.log"]
    files += [path for path in (project / "mlruns").rglob("*") if path.is_file()]
    for file in files:
        yield str(file), file.read_bytes()


def test_no_secret_leaves_this_machine(shackdoo: Run, leaky_project: Path) -> None:
    done = shackdoo(
        "train",
        "task=Leaky",
        f"task.parameters.api_key={PLANTED['an override']}",
        f"+tags.hf_token={PLANTED['a tag']}",
        "+tags.note=kept",
        "tracking.untracked=true",
    )
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    (run,) = local_runs(Path(os.environ["SHACKDOO_STATE"]))
    assert wait_shipped(run.folder, 120).done, (run.folder / "shipper.log").read_text()

    left = dict(everything_that_left(leaky_project, run.folder))
    left |= {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    found = [
        f"{kind} in {where}"
        for kind, secret in PLANTED.items()
        for where, content in left.items()
        if secret.encode() in content
    ]
    assert found == []

    shipped = {Path(name).name for name in left}
    assert {"code.diff", "new.py", "config.yaml", "manifest.json", "traceback.txt"} <= shipped
    assert "the untracked file server.pem is not shipped: its name says" in done.stderr
    everything = b"".join(left.values())
    for kept in (b"kept", b"example.org/x", b"***REDACTED***", b"${oc.env:SOMEBODY}"):
        assert kept in everything


def test_the_secrets_were_where_the_test_says(leaky_project: Path) -> None:
    """Without the redaction the test above would find them: each is in what the run reads."""
    (leaky_project / "mlflow.db").unlink()  # of which nothing is read
    read = [
        path.read_text()
        for path in leaky_project.rglob("*")
        if path.is_file() and ".git" not in path.parts
    ]
    given = {PLANTED[kind] for kind in ("an override", "a tag")}
    for secret in PLANTED.values():
        assert any(secret in text for text in [*read, *os.environ.values()]) or secret in given


def test_what_stays_on_this_disk_is_its_owners_only(shackdoo: Run, leaky_project: Path) -> None:
    shackdoo("train", "task=Leaky")
    (run,) = local_runs(Path(os.environ["SHACKDOO_STATE"]))
    wait_shipped(run.folder, 120)
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {JOURNAL, "manifest.json", "code.diff"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    assert {name for name, mode in modes.items() if mode != 0o600} == set()
    assert PLANTED["a changed file"] in (run.folder / "files" / "code.diff").read_text()
