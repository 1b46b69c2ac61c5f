"""A user's type checker sees our types in the installed wheel, by every path."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_every_public_name_is_typed():
    """Of the package that the tests import, as a user's strict type checker sees it."""
    command = (sys.executable, "-m", "basedpyright", "--verifytypes", "trulens_core")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # as activated
    done = subprocess.run(
        [*command, "--ignoreexternal", "--outputjson"],
        env={**os.environ, "PATH": path},
        text=True,
        capture_output=True,
        check=False,
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    source = importlib.util.find_spec("trulens_core").origin
    assert Path(source).is_relative_to(found["packageRootDirectory"])
    unknown = [s["name"] for s in found["symbols"] if s["isExported"] and not s["isTypeKnown"]]
    assert len(found["symbols"]) > 1000
    assert unknown == []
    assert found["completenessScore"] == 1
