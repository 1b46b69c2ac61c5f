"""A user's type checker sees our types in the installed wheel, by every path."""

import subprocess
import sys

PATHS = {
    "trulens_core": "IntegratedGradients",
    "trulens.nn.attribution": "InternalInfluence",
    "trulens.utils.typing": "ModelInputs",
    "trulens.visualizations": "HeatmapVisualizer",
}


def test_types_are_found(core_environment, tmp_path):
    script = tmp_path / "use.py"
    lines = [f"from {path} import {name}; reveal_type({name})" for path, name in PATHS.items()]
    script.write_text("\n".join(lines))
    mypy = (sys.executable, "-m", "mypy", "--strict", "--config-file", "")
    done = subprocess.run(
        [*mypy, "--python-executable", core_environment.interpreter, script],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    revealed = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    for line, name in zip(revealed, PATHS.values(), strict=True):
        assert name in line
