"""The notebooks as pages: what is shown is the executed copy of each, which `make docs` makes.

The notebooks in docs/notebooks are kept without outputs. Their executed copies are in
build/notebooks, under the same names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]


def on_files(files: Any, config: Any) -> Any:
    """Read each notebook from its executed copy."""
    del config
    for file in files:
        if file.src_uri.endswith(".ipynb"):
            executed = ROOT / "build" / file.src_uri
            if not executed.is_file():
                raise PluginError(f"{file.src_uri} has not been executed: call `make docs`")
            file.abs_src_path = str(executed)
    return files
