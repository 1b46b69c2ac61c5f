"""A user's type checker sees our types in the installed wheel, by every path."""

import subprocess
import sys

import pytest

USE = """
from {path} import {name}
reveal_type({name})
"""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("trulens_core", "IntegratedGradients"),
        ("trulens.nn.attribution", "IntegratedGradients"),
        ("trulens.utils.typing", "ModelInputs"),
        ("trulens.visualizations", "HeatmapVisualizer"),
    ],
)
def test_types_are_found(core_environment, path, name, tmp_path):
    script = tmp_path / "use.py"
    script.write_text(USE.format(path=path, name=name))
    mypy = (sys.executable, "-m", "mypy", "--strict", "--config-file", "")
    done = subprocess.run(
        [*mypy, "--python-executable", core_environment.interpreter, script],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert name in done.stdout
    assert '"Any"' not in done.stdout
