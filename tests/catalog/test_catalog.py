"""The catalog's checks and their texts, digests, loading in the background, shipped MNIST."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from shackdoo.catalog import Catalog
from shackdoo.catalog.digests import joint_digest
from shackdoo.config.project import Project
from shackdoo.config.schema import CatalogEntry
from shackdoo.errors import CatalogError, DataError

ROOT = Path(__file__).resolve().parents[2]
WRONG = "0" * 64


@pytest.fixture(scope="module")
def shipped():
    """Return the catalog of ``conf/catalog.yaml``."""
    entries = yaml.safe_load((ROOT / "conf" / "catalog.yaml").read_text())
    return Catalog(
        {name: CatalogEntry(**keys) for name, keys in entries.items()}, Project(ROOT, ROOT)
    )


def message_of(call, *arguments):
    with pytest.raises(CatalogError) as caught:
        call(*arguments)
    return str(caught.value)


def test_shipped_mnist(shipped):
    shipped.check(["mnist"])
    (images, labels), (test_images, test_labels) = shipped.load("mnist")
    assert {part.dtype for part in (images, labels, test_images, test_labels)} == {np.dtype("u1")}
    assert (images.shape, labels.shape) == ((60000, 28, 28), (60000,))
    assert (test_images.shape, test_labels.shape) == ((10000, 28, 28), (10000,))
    assert np.bincount(labels).tolist()[:3] == [5923, 6742, 5958]
    assert hashlib.md5(b"\0\0\x08\1\0\0\x27\x10" + test_labels.tobytes()).hexdigest() == (
        "27ae3e4e09519cfbb04c329615203637"
    )
    assert shipped.examples("mnist") == len(images)
    assert shipped.digest("mnist") in (ROOT / "data" / "raw" / "README.md").read_text()


def test_an_entry_needs_three_keys(make_catalog):
    assert make_catalog(file="d.npy", format="npy").examples("digits") is None


@pytest.mark.parametrize("method", ["path", "digest", "load", "fetch", "examples"])
def test_unknown_name(shipped, method):
    assert message_of(getattr(shipped, method), "mnits") == (
        "No data named 'mnits' in conf/catalog.yaml. Did you mean 'mnist'? Known: mnist. Add an "
        "entry of that name, or set task.data to one of these."
    )
    assert message_of(shipped.check, ["mnist", "mnits"]).startswith("No data named 'mnits'")


def test_missing_file(make_catalog, tmp_path):
    catalog = make_catalog(file="data/d.npy", format="npy")
    text = (
        f"The file of 'digits' in conf/catalog.yaml is missing: {tmp_path}/data/d.npy. Put it "
        f"there, correct catalog.digits.file, or set catalog.digits.source to a URL to fetch it "
        f"from."
    )
    assert message_of(catalog.check, ["digits"]) == text
    assert message_of(catalog.load, "digits") == text


def test_missing_file_of_several(make_catalog, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    catalog = make_catalog(file={"images": "a.npy", "labels": "b.npy"}, format="npy")
    text = message_of(catalog.check, ["digits"])
    assert f"{tmp_path}/b.npy" in text and "catalog.digits.file.labels" in text


def test_source_that_is_no_address(make_catalog, tmp_path):
    catalog = make_catalog(file="d.npy", format="npy", source="ftp://host/d.npy")
    assert message_of(catalog.check, ["digits"]) == (
        f"The file of 'digits' in conf/catalog.yaml is missing: {tmp_path}/d.npy, and its source "
        f"'ftp://host/d.npy' is no URL that can be fetched. It must begin with https://, http://, "
        f"file://."
    )


@pytest.mark.parametrize("source", [None, "https://example.org/d.npy"])
def test_digest_that_differs(make_catalog, tmp_path, source):
    (tmp_path / "d.npy").write_bytes(b"other")
    catalog = make_catalog(file="d.npy", format="npy", sha256=WRONG, source=source)
    found = hashlib.sha256(b"other").hexdigest()
    again = f"Delete it to have it fetched from {source}" if source else "Restore it"
    text = (
        f"{tmp_path}/d.npy is not the file pinned for 'digits' in conf/catalog.yaml: its sha256 is "
        f"{found}, expected is {WRONG}. {again}; or, if you mean to use this one, set "
        f"catalog.digits.sha256 to its digest."
    )
    assert message_of(catalog.check, ["digits"]) == text
    assert message_of(catalog.load, "digits") == text
    assert (tmp_path / "d.npy").read_bytes() == b"other"


def test_pickle_without_pin_is_never_opened(make_catalog, tmp_path):
    catalog = make_catalog(file="d.pkl", format="pickle")
    text = message_of(catalog.check, ["digits"])
    assert text == (
        "'digits' in conf/catalog.yaml is a pickle without a pinned digest, and such a file is "
        "not opened. Set catalog.digits.sha256 to the digest that whoever gave you the file "
        "states."
    )
    (tmp_path / "d.pkl").write_bytes(pickle.dumps(1))
    found = hashlib.sha256(pickle.dumps(1)).hexdigest()
    assert message_of(catalog.load, "digits") == f"{text} {tmp_path}/d.pkl has {found}."


def test_folder_instead_of_a_file(make_catalog, tmp_path):
    (tmp_path / "d.npy").mkdir()
    catalog = make_catalog(file="d.npy", format="npy")
    for call in (catalog.digest, catalog.load):
        assert message_of(call, "digits") == (
            f"The file of 'digits' in conf/catalog.yaml can't be read: {tmp_path}/d.npy: Is a "
            f"directory. Correct its permissions, or catalog.digits.file."
        )


def test_several_files(make_catalog, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    np.save(tmp_path / "b.npy", np.arange(4))
    digests = {
        part: hashlib.sha256((tmp_path / f"{part}.npy").read_bytes()).hexdigest() for part in "ab"
    }
    catalog = make_catalog(file={"a": "a.npy", "b": "b.npy"}, format="npy", sha256=digests)
    catalog.check(["digits"])
    assert catalog.path("digits") == tmp_path
    lines = f"a {digests['a']}\nb {digests['b']}\n"
    assert catalog.digest("digits") == hashlib.sha256(lines.encode()).hexdigest()
    assert joint_digest(dict(reversed(digests.items()))) == catalog.digest("digits")
    assert {part: len(array) for part, array in catalog.load("digits").items()} == {"a": 3, "b": 4}
    np.save(tmp_path / "b.npy", np.arange(5))
    assert "set catalog.digits.sha256.b to its digest" in message_of(catalog.check, ["digits"])


def test_a_changed_file_is_noticed(pinned, tmp_path):
    catalog = pinned(pickle.dumps([1, 2]))
    assert catalog.load("digits") == [1, 2]
    path = tmp_path / "digits.pkl"
    path.write_bytes(pickle.dumps([1, 3]))
    os.utime(path, ns=(1, 1))
    assert "is not the file pinned" in message_of(catalog.load, "digits")


def test_the_bytes_that_are_decoded_are_verified_whatever_the_file_times_say(pinned, tmp_path):
    catalog = pinned(pickle.dumps([1, 2]))
    catalog.check(["digits"])
    path = tmp_path / "digits.pkl"
    before = path.stat()
    path.write_bytes(pickle.dumps([1, 3]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert "is not the file pinned" in message_of(catalog.load, "digits")


def test_the_users_file_comes_before_the_shipped_one(tmp_path):
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    for folder in (own, shipped):
        folder.mkdir()
    np.save(shipped / "d.npy", np.arange(2))
    entry = CatalogEntry(layer="raw", file="d.npy", format="npy")
    catalog = Catalog({"digits": entry}, Project(own, shipped))
    assert len(catalog.load("digits")) == 2
    np.save(own / "d.npy", np.arange(3))
    assert len(catalog.load("digits")) == 3


def test_prefetched_content_is_what_load_returns(pinned, tmp_path):
    catalog = pinned(pickle.dumps({"a": np.arange(3)}))
    catalog.prefetch("digits")
    coming = catalog._coming["digits"]
    assert catalog.load("digits") is coming.result()
    (tmp_path / "digits.pkl").unlink()
    assert "is missing" in message_of(catalog.load, "digits")  # later loads read the file again


def test_prefetch_errors_are_raised_by_load(pinned, make_catalog):
    damaged = pinned(b"no pickle")
    damaged.prefetch("digits")
    with pytest.raises(DataError, match=r"digits\.pkl can't be read as pickle"):
        damaged.load("digits")
    missing = make_catalog(file="none.npy", format="npy")
    missing.prefetch("digits")
    assert "is missing" in message_of(missing.load, "digits")
    missing.prefetch("unknown")
    assert "No data named 'unknown'" in message_of(missing.load, "unknown")


def test_checking_imports_neither_numpy_nor_tensorflow():
    script = (
        "import sys, shackdoo.catalog as c; from shackdoo.config.schema import CatalogEntry as E;"
        "from shackdoo.config.project import find_project;"
        "e = E(layer='raw', file='data/raw/README.md', format='npy');"
        "c.Catalog({'x': e}, find_project()).check(['x']);"
        "print({'numpy', 'tensorflow', 'keras', 'mlflow', 'pooch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_make_mnist_names_what_is_missing(tmp_path):
    script = ROOT / "scripts" / "make_mnist.py"
    command = [sys.executable, str(script), str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "has neither train-images-idx3-ubyte nor" in done.stderr
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"other")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "isn't the published file" in done.stderr
