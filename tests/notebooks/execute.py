"""Run a notebook in a kernel of this very environment: ``execute.py NOTEBOOK RESULT``.

A process of its own: the sockets of the machinery around a kernel are closed when it ends.
"""

import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

SECONDS = 600  # for one cell

if __name__ == "__main__":
    source, result = map(Path, sys.argv[1:])
    manager = KernelManager()
    manager.kernel_spec.argv = [
        *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
    ]
    notebook = nbformat.read(source, as_version=4)
    resources = {"metadata": {"path": str(result.parent)}}
    NotebookClient(notebook, timeout=SECONDS, resources=resources, km=manager).execute()
    nbformat.write(notebook, result)
