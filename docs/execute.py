"""Runs the notebooks: what the tests and the site show of them is one run.

    python docs/execute.py [NAME ...]

A notebook's source is docs/notebooks/NAME.py, in Jupytext's percent format, which can be read and
compared as text. Executed it is build/notebooks/NAME.ipynb. It runs again only when its source
or the library has changed.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
SOURCES, EXECUTED = ROOT / "docs" / "notebooks", ROOT / "build" / "notebooks"
SLOWEST = 120
"""Seconds that one cell may take."""
ENVIRONMENT = {
    # pictures and numbers that do not depend on the machine's cores, and nothing is fetched
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # pictures are outputs of cells
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm's, where no widgets are installed
}


def names() -> list[str]:
    """The names of all notebooks."""
    return sorted(path.stem for path in SOURCES.glob("*.py"))


def executed(name: str) -> Any:
    """The notebook with its outputs, from its last run or a new one.

    Its metadata has, at "trulens", the `seconds` that the processor worked on it.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell raises.
    """
    target, key = EXECUTED / f"{name}.ipynb", key_of(name)
    if target.is_file():
        found = nbformat.read(target, as_version=4)
        if found.metadata.get("trulens", {}).get("key") == key:
            return found
    notebook = read(name)
    before = _seconds()
    with TemporaryDirectory() as sockets:
        client = NotebookClient(
            notebook,
            timeout=SLOWEST,
            # what C++ says when a framework begins is no part of a notebook
            extra_arguments=["--IPKernelApp.capture_fd_output=False"],
            resources={"metadata": {"path": str(SOURCES)}},
            # over files that only their owner can open, rather than ports
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        )
        client.execute(env=os.environ | ENVIRONMENT)
    notebook.metadata["trulens"] = {"key": key, "seconds": round(_seconds() - before, 1)}
    EXECUTED.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".{os.getpid()}")
    nbformat.write(notebook, draft)
    draft.replace(target)
    return notebook


def read(name: str) -> Any:
    """The notebook without outputs."""
    notebook = jupytext.read(SOURCES / f"{name}.py", fmt="py:percent")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i}"  # else a number by chance
    return notebook


def key_of(name: str) -> str:
    """What changes when the notebook has to run again."""
    library = sorted(ROOT.glob("trulens_*/src/**/*.py"))
    digest = hashlib.sha256()
    for path in [Path(__file__), SOURCES / f"{name}.py", *library]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    for given in sys.argv[1:] or names():
        print(f"{given}: {executed(given).metadata['trulens']['seconds']} s", flush=True)
