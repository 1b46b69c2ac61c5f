"""Backends of functional frameworks: the page on them, one in a notebook, and one for MLX."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "third_party" / "trulens_mlx"
PAGE = (ROOT / "docs" / "functional-frameworks.md").read_text()
FILES = re.findall(r'(?ms)^```python title="([^"]+)"\n(.*?)^```$', PAGE)
IN_A_NOTEBOOK = ["models.py", "notebook.py", "explain.py"]


def test_a_backend_in_a_notebook():
    """In a process of its own: it takes JAX's place there."""
    cells = dict(FILES)
    lines = [line for line in cells["notebook.py"].splitlines() if line]
    assert len(lines) <= 25
    code = "\n".join(cells[name] for name in IN_A_NOTEBOOK)
    command = (sys.executable, "-W", "error", "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (shown,) = re.findall(r"(?ms)^```text\n(.*?)^```$", PAGE)
    assert (done.stdout, done.stderr) == (shown, "")


def test_what_the_page_shows_of_mlx_is_the_example():
    shown = [(name, text) for name, text in FILES if name not in IN_A_NOTEBOOK]
    assert len(shown) == 2
    for name, text in shown:
        assert text in Path(FOLDER / name).read_text(), name


def test_mlx_is_certified(new_environment, wheels, build):
    """One case of each test, and all of them where there is time."""
    environment = new_environment("mlx")
    core = f"{wheels['trulens-nn'].path}[testing]"
    environment.install("-c", ROOT / "constraints.txt", core, build(FOLDER))
    quick = () if os.environ.get("TRULENS_EVERY") else ("--trulens-quick",)
    pytest = ("-m", "pytest", "-q", "-p", "trulens_core.testing.plugin", "--trulens-backend")
    printed = environment.python(*pytest, "mlx", *quick)
    (passed,) = re.findall(r"passed (\d+), failed 0", printed)
    assert int(passed) > (150 if quick else 600)
    assert "what is stopped is zero to vjp, and not None" in printed or quick
