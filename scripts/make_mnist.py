"""Make ``data/raw/mnist.pkl.gz`` of the four files MNIST is published as.

    python scripts/make_mnist.py FOLDER [OUTPUT]

FOLDER holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the two ``t10k-`` files,
plain or as ``.gz``. Their content is checked against the published MD5. The same input gives the
same bytes. Prints the sha256 that belongs into ``conf/catalog.yaml``.
"""

import gzip
import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).resolve().parent.parent / "data" / "raw" / "mnist.pkl.gz"
# Name of a file: MD5 of its unpacked content, bytes before the data, shape of one example.
FILES = {
    "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", 16, (28, 28)),
    "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624", 8, ()),
    "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea", 16, (28, 28)),
    "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637", 8, ()),
}


def read(folder: Path, name: str) -> np.ndarray:
    """Return one file as uint8 ``(examples, …)``; exit if it isn't the published one."""
    md5, header, shape = FILES[name]
    plain, packed = folder / name, folder / f"{name}.gz"
    if not plain.exists() and not packed.exists():
        sys.exit(f"error: {folder} has neither {name} nor {name}.gz")
    content = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    if hashlib.md5(content).hexdigest() != md5:  # noqa: S324  a published name, no protection
        sys.exit(f"error: {name} in {folder} isn't the published file: its MD5 is not {md5}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(-1, *shape).copy()


def write(path: Path, data: object) -> str:
    """Write ``data`` as a gzipped pickle without time or name in it; return the sha256."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        pickle.dump(data, packed, protocol=4)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Read the folder that the command line names and write the pickle."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: make_mnist.py FOLDER [OUTPUT]")
    images, labels, test_images, test_labels = (read(Path(sys.argv[1]), name) for name in FILES)
    output = Path(sys.argv[2]) if len(sys.argv) == 3 else OUTPUT
    print(write(output, ((images, labels), (test_images, test_labels))), output)


if __name__ == "__main__":
    main()
