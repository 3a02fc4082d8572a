"""Fetching over HTTP and from file:// addresses: right and wrong digests, two at once."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading

import numpy as np
import pytest

from shackdoo.catalog.fetch import fetch
from shackdoo.errors import CatalogError

WRONG = "0" * 64


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def remote(tmp_path):
    """Return a folder with ``digits.npy`` in it."""
    folder = tmp_path / "remote"
    folder.mkdir()
    np.save(folder / "digits.npy", np.arange(200_000))
    return folder


@pytest.fixture
def server(remote):
    """Return the address of an HTTP server of that folder."""
    handler = functools.partial(Quiet, directory=str(remote))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(params=["http", "file"])
def address(request, remote):
    """Return the folder's address, in turn by each scheme."""
    return request.getfixturevalue("server") if request.param == "http" else remote.as_uri()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entry(address, sha256):
    source = f"{address}/digits.npy"
    return {"file": "data/d.npy", "format": "npy", "source": source, "sha256": sha256}


def test_fetched_when_loaded(make_catalog, remote, address):
    catalog = make_catalog(**entry(address, digest(remote / "digits.npy")))
    catalog.check(["digits"])
    assert not catalog.path("digits").exists()  # checking downloads nothing
    assert catalog.load("digits").sum() == np.arange(200_000).sum()
    assert [path.name for path in catalog.path("digits").parent.iterdir()] == ["d.npy"]
    assert catalog.path("digits").stat().st_mode & 0o777 == 0o644


def test_fetched_without_a_pin(make_catalog, remote, address):
    catalog = make_catalog(**entry(address, None))
    assert catalog.fetch("digits") == catalog.path("digits")
    assert catalog.digest("digits") == digest(remote / "digits.npy")


def test_wrong_digest_leaves_nothing(make_catalog, address):
    catalog = make_catalog(**entry(address, WRONG))
    with pytest.raises(CatalogError) as caught:
        catalog.load("digits")
    assert str(caught.value) == (
        f"{address}/digits.npy isn't the file that was pinned: its sha256 is not {WRONG}. Nothing "
        f"was kept. Correct source or sha256 in conf/catalog.yaml."
    )
    assert list(catalog.path("digits").parent.iterdir()) == []


def test_missing_at_the_source(make_catalog, address):
    catalog = make_catalog(file="d.npy", format="npy", source=f"{address}/other.npy")
    with pytest.raises(CatalogError, match=r"/other\.npy can't be fetched to .*d\.npy: .*Check"):
        catalog.fetch("digits")
    assert not catalog.path("digits").exists()


def test_folder_that_can_not_be_made(make_catalog, tmp_path, address):
    (tmp_path / "data").write_text("a file where the folder should be")
    catalog = make_catalog(**entry(address, None))
    with pytest.raises(CatalogError, match="can't be fetched to"):
        catalog.fetch("digits")


def test_several_files_come_from_the_folder_of_the_source(make_catalog, remote, address):
    np.save(remote / "labels.npy", np.arange(3))
    files = {"images": "data/digits.npy", "labels": "data/labels.npy"}
    catalog = make_catalog(file=files, format="npy", source=f"{address}/")
    loaded = catalog.load("digits")
    assert list(loaded) == ["images", "labels"]
    assert loaded["labels"].tolist() == [0, 1, 2]


def test_two_processes_at_once(server, remote, tmp_path):
    target, sha256 = tmp_path / "out" / "d.npy", digest(remote / "digits.npy")
    script = """
import sys, pathlib
from shackdoo.catalog.fetch import fetch
print("ready", flush=True)
sys.stdin.readline()
fetch(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
"""
    command = [sys.executable, "-c", script, f"{server}/digits.npy", str(target), sha256]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert digest(target) == sha256
    assert list(target.parent.iterdir()) == [target]


def test_server_that_is_not_there(tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as closed:
        port = closed.server_port
    with pytest.raises(CatalogError, match="Check the address and the network"):
        fetch(f"http://127.0.0.1:{port}/d.npy", tmp_path / "d.npy", None)
