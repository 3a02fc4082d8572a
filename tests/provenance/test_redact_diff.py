"""Diffs and untracked files on their way to a server."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from shackdoo.provenance.redact_diff import Finding, redact_diff, redact_file
from shackdoo.provenance.untracked import MAX_ALL, MAX_FILE, sort_untracked

HARMLESS = b"""diff --git a/code.py b/code.py
index 1234567..89abcde 100644
--- a/code.py
+++ b/code.py
@@ -1,2 +1,3 @@ def f(token):
 token = get_token(x)
+max_tokens = 5
+digest = "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"
 name = "\xff\xfe"
"""

SECRET = b"""diff --git a/code.py b/code.py
index 1234567..89abcde 100644
--- a/code.py
+++ b/code.py
@@ -10,3 +20,8 @@
 x = 1
-password = "old-and-secret1"
+password = "new-and-secret2"
+url = "postgresql://me:pw-of-mine@host/db"
+key = "AKIAIOSFODNN7ABCDEFG"
+-----BEGIN RSA PRIVATE KEY-----
+MIIEpAIBAAKCAQEA7
+-----END RSA PRIVATE KEY-----
+y = 2
diff --git a/conf/.env b/conf/.env
new file mode 100644
--- /dev/null
+++ b/conf/.env
@@ -0,0 +1 @@
+WHATEVER=goes
diff --git a/more.py b/more.py
--- a/more.py
+++ b/more.py
@@ -1 +1 @@
-z = 1
+z = 2
"""


def test_a_diff_without_secrets_is_the_same_to_the_byte() -> None:
    assert redact_diff(HARMLESS) == (HARMLESS, [])


def test_secrets_go_and_the_rest_stays_readable() -> None:
    clean, findings = redact_diff(SECRET)
    for secret in (b"secret1", b"secret2", b"pw-of-mine", b"AKIA", b"MIIE", b"goes"):
        assert secret not in clean
    for kept in (b'+password = "***REDACTED***"', b"+y = 2", b"+z = 2", b"@host/db"):
        assert kept in clean
    assert {(each.file, each.line) for each in findings} == {
        ("code.py", 21),
        ("code.py", 22),
        ("code.py", 23),
        ("code.py", 24),
        ("code.py", 25),
        ("code.py", 26),
        ("conf/.env", 0),
    }
    assert Finding("code.py", 23, "AWS Access Key") in findings
    head = clean.decode().splitlines()
    assert head[0] == "# Secrets were taken out of this file, so it can't be applied as it is:"
    assert "# code.py:23  AWS Access Key" in head
    assert "# conf/.env:0  a file of secrets" in head


def test_a_secret_of_the_environment_is_found_in_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "max_tokens")
    clean, findings = redact_diff(HARMLESS)
    assert b"max_tokens" not in clean
    assert findings == [Finding("code.py", 2, "known secret")]


def test_files(tmp_path: Path) -> None:
    source, target = tmp_path / "0123", tmp_path / "notes.py"
    source.write_text('a = 1\npassword = "hunter-22-x"\n')
    redact_file(source, target)
    assert target.read_text() == (
        "# Secrets were taken out of this file, so it can't be applied as it is:\n"
        "# notes.py:2  Secret Keyword\n"
        'a = 1\npassword = "***REDACTED***"\n'
    )
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    source.write_bytes(b"\0binary password='x'")
    redact_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    source.write_bytes(HARMLESS)
    redact_file(source, target)
    assert target.read_bytes() == HARMLESS


def test_which_untracked_files_may_go(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(MAX_FILE + 1))
    (tmp_path / "notes.py").write_text("x = 1")
    (tmp_path / ".env").write_text("A=b")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "id_rsa").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "notes.py")
    many = [f"part{n}" for n in range(11)]
    for name in many:
        (tmp_path / name).write_bytes(bytes(MAX_FILE))
    names = ["big.bin", "notes.py", ".env", "sub/id_rsa", "link", "gone", *many]
    found = sort_untracked(tmp_path, names)
    fitting = (MAX_ALL - len("x = 1")) // MAX_FILE
    assert found.kept == ("notes.py", *many[:fitting])
    assert found.left_out == {
        "big.bin": "it has more than 1 MB",
        ".env": "its name says that it keeps secrets",
        "sub/id_rsa": "its name says that it keeps secrets",
        "link": "it is no plain file",
        "gone": "it is no plain file",
        **dict.fromkeys(many[fitting:], "all of them have more than 10 MB"),
    }
