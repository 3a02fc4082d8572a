"""A manifest is checked before anything is done by what it says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance.capture import SCHEMA_VERSION, Capture, manifest_bytes
from shackdoo.provenance.code import Collected
from shackdoo.provenance.manifest import ADDED, read, schema
from shackdoo.provenance.names import is_inside, plain
from shackdoo.provenance.secrets import Redactor

Change = Callable[[dict[str, Any]], Any]
HERE = "The manifest.json of the run X"


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    manifest, _ = Capture(tmp_path_factory.mktemp("project")).manifest(
        run_uid="a" * 32,
        command=["shackdoo", "train", "\udcff"],
        overrides=[],
        config={"task": {"name": "Mine", "_target_": "own.Mine", "parameters": {}}, "flows": []},
        config_digest="0" * 64,
        data={"mnist": {"path": "/data/mnist.npz", "sha256": "1" * 64}},
        determinism={"enabled": True, "threads": None, "strategy": "single", "xla": True},
        seed=1,
        code=Collected({}, (), {"own/task.py": b""}, None),
        redactor=Redactor((), {}),
    )
    return manifest


@pytest.fixture
def manifest(captured: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(captured)


def test_the_shipped_schema_is_the_models() -> None:
    shipped = files("shackdoo.provenance").joinpath("manifest.schema.json").read_text()
    assert shipped == schema(), "docs/manifest.md tells how it is made anew"
    Draft202012Validator.check_schema(json.loads(shipped))


def test_what_is_captured_is_read_as_it_is(manifest: dict[str, Any]) -> None:
    assert read(manifest_bytes(manifest), HERE) == manifest
    Draft202012Validator(json.loads(schema())).validate(manifest)


def test_version_1_is_read_with_the_new_keys_empty(manifest: dict[str, Any]) -> None:
    manifest["schema_version"] = 1
    for key in ADDED:
        del manifest["code"][key]
    assert read(json.dumps(manifest), HERE)["code"] == {**manifest["code"], **ADDED}


def test_a_newer_version_needs_a_newer_shackdoo(manifest: dict[str, Any]) -> None:
    manifest["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(IngredientError) as caught:
        read(json.dumps(manifest), HERE)
    assert str(caught.value) == (
        f"{HERE} has the version 3 of the schema; this shackdoo reads up to 2. Install a newer "
        f"one: pip install --upgrade shackdoo."
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"\xff\xfe\xfa", "is damaged: "),
        ("{", "is damaged: Expecting property name"),
        ("[]", "is damaged: no mapping."),
        ("[" * 100_000, "is damaged: it has too many levels."),
        ('{"config": ' + "[" * 100 + "]" * 100 + "}", "is damaged: it has too many levels."),
        ("{}", "is damaged: schema_version: Field required; run_uid: Field required; "),
    ],
)
def test_what_is_no_manifest(text: str | bytes, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(text, HERE)
    assert str(caught.value).startswith(f"{HERE} {told}")


def code(**changes: Any) -> Change:
    return lambda manifest: manifest["code"].update(changes)


def submodule(**changes: Any) -> Change:
    values = {"path": "libs/a", "url": None, "commit": "0" * 40, "dirty": False}
    return code(submodules=[{**values, "diff_sha256": None, **changes}])


def package(name: str, version: Any) -> Change:
    return lambda manifest: manifest["environment"]["packages"].update({name: version})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (code(commit="HEAD"), "code.commit: String should match pattern"),
        (code(commit="--upload-pack=x"), "code.commit: "),
        (code(commit="0" * 41), "code.commit: "),
        (code(commit=1), "code.commit: Input should be a valid string"),
        (code(prefix="../up/"), "code.prefix: no folder inside a project"),
        (code(prefix="/"), "code.prefix: "),
        (code(dirty="yes"), "code.dirty: Input should be a valid boolean"),
        (code(untracked_kept={"../x": "0" * 64}), "code.untracked_kept.'../x': no name of a file"),
        (code(untracked_kept={"/etc/x": "0" * 64}), "code.untracked_kept.'/etc/x': "),
        (code(untracked_kept={"a": "0"}), "code.untracked_kept.a: String should match"),
        (code(untracked_kept={f"{n}": "0" * 64 for n in range(1001)}), "code.untracked_kept: "),
        (code(modules={"a/.git/config": "0" * 64}), "code.modules.'a/.git/config': "),
        (submodule(path="-x"), "code.submodules.'0'.path: "),
        (submodule(path="a\nb"), "code.submodules.'0'.path: "),
        (submodule(path="a\\b"), "code.submodules.'0'.path: "),
        (submodule(commit=None), "code.submodules.'0'.commit: "),
        (package("--index-url", "1"), "environment.packages.'--index-url': "),
        (package("a @ https://x", "1"), "environment.packages.'a @ https://x': "),
        (package("a", "1; os_name"), "environment.packages.a: "),
        (package("a", "1\n--index-url=x"), "environment.packages.a: "),
        (package("a", 1.0), "environment.packages.a: "),
        (lambda manifest: manifest.update(seed="1"), "seed: Input should be a valid integer"),
        (lambda manifest: manifest.pop("machine"), "machine: Field required"),
        (lambda manifest: manifest["config"].pop("flows"), "config: no whole configuration"),
        (lambda manifest: manifest["data"].update(x={}), "data.x.path: Field required"),
        (lambda manifest: manifest.update(schema_version=0), "schema_version: "),
        (lambda manifest: manifest.update(schema_version=True), "schema_version: "),
    ],
)
def test_a_key_that_is_wrong_is_named(manifest: dict[str, Any], change: Change, key: str) -> None:
    change(manifest)
    with pytest.raises(RequestError) as caught:
        read(json.dumps(manifest), HERE)
    assert str(caught.value).startswith(f"{HERE} is damaged: {key}")


@pytest.mark.parametrize("name", ["日本　語.py", "a b/c.py", ".github/x.yml", "a/-b", "\udcff.py"])
def test_names_of_files_inside_a_project(name: str) -> None:
    assert is_inside(name)
    assert plain(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "..", "a/../b", "/a", "a//b", "./a", "a/", "-a", "a\\b", "a\0b", "a\x7f"),
        *(".git", ".GIT/x", "a/.git", ".git./x", ".git /x", "a" * 5000),
    ],
)
def test_names_of_none(name: str) -> None:
    assert not is_inside(name)
    assert is_inside(plain(name))
